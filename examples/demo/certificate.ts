import { generateKeyPairSync, randomBytes, sign } from "node:crypto";

/** A key and its certificate, as `createServer` takes them. */
export interface Tls {
  readonly key: string;
  readonly cert: string;
}

const DAY = 86_400_000;
/** For tests, whose certificates nobody keeps. */
const FOR_EVER = { from: Date.UTC(2020, 0, 1), until: Date.UTC(2049, 0, 1) };

/**
 * A key and a certificate that signs itself, for 127.0.0.1 or a host, made anew: no key lies in the repository. Node makes
 * keys and signatures, but no certificates; `days` is how long this one is valid.
 */
export function selfSigned(host?: string, days?: number): Tls {
  const now = Date.now();
  const valid = days === undefined ? FOR_EVER : { from: now - DAY, until: now + days * DAY };
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const name = sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(host ?? "127.0.0.1")))));
  const years = sequence(utc(valid.from), utc(valid.until));
  const address = host === undefined ? der(0x87, Buffer.from([127, 0, 0, 1])) : der(0x82, Buffer.from(host));
  const alternativeName = sequence(SUBJECT_ALT_NAME, der(0x04, sequence(address)));
  // Apple's systems trust no certificate without it.
  const forServers = sequence(EXTENDED_KEY_USAGE, der(0x04, sequence(SERVER_AUTH)));
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    sequence(ECDSA_WITH_SHA256),
    name,
    years,
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(alternativeName, forServers)),
  );
  const signature = der(0x03, Buffer.concat([Buffer.from([0]), sign("sha256", body, privateKey)]));
  const base64 = sequence(body, sequence(ECDSA_WITH_SHA256), signature).toString("base64");
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${base64.match(/.{1,64}/g)?.join("\n")}\n-----END CERTIFICATE-----\n`,
  };
}

/** Tag, length and value, as X.690 has them. */
function der(tag: number, value: Buffer): Buffer {
  const { length } = value;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), value]);
}

/** As certificates write times before 2050: YYMMDDHHMMSSZ. */
const utc = (time: number): Buffer =>
  der(
    0x17,
    Buffer.from(
      new Date(time)
        .toISOString()
        .replaceAll(/[-:T]|\.\d+/g, "")
        .slice(2),
    ),
  );

const sequence = (...parts: Buffer[]): Buffer => der(0x30, Buffer.concat(parts));
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, "hex"));
/** 2.5.4.3, 2.5.29.17, 2.5.29.37, 1.3.6.1.5.5.7.3.1 and 1.2.840.10045.4.3.2. */
const COMMON_NAME = oid("550403");
const SUBJECT_ALT_NAME = oid("551d11");
const EXTENDED_KEY_USAGE = oid("551d25");
const SERVER_AUTH = oid("2b06010505070301");
const ECDSA_WITH_SHA256 = oid("2a8648ce3d040302");
