import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { Answer, Visitor } from "./client.ts";

/** How a proof is made, where it is not as Chromium makes it. */
export interface ProofMade {
  readonly alg?: string;
  readonly typ?: string;
  readonly jwk?: object;
  /** Signs with another key than the header or the record says. */
  readonly by?: KeyHolder;
  readonly isQuoted?: boolean;
  readonly claims?: object;
}

/** The part of a browser that makes a key, registers it and proves it (Device Bound Session Credentials). */
export class KeyHolder {
  readonly #alg: "ES256" | "RS256";
  readonly #key: KeyObject;

  constructor(alg: "ES256" | "RS256" = "ES256") {
    this.#alg = alg;
    this.#key =
      alg === "ES256"
        ? generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
        : generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  }

  get jwk(): object {
    return createPublicKey(this.#key).export({ format: "jwk" });
  }

  get privateJwk(): object {
    return this.#key.export({ format: "jwk" });
  }

  /** A registration has the key in its header, a refresh has not. */
  proof(challenge: string, made: ProofMade, isRegistration: boolean): string {
    const { alg = this.#alg, typ = "dbsc+jwt", jwk = this.jwk, by = this, claims } = made;
    const header = { alg, typ, ...(isRegistration && { jwk }) };
    const text = `${encoded(header)}.${encoded({ jti: challenge, ...claims })}`;
    const jwt = `${text}.${by.sign(text).toString("base64url")}`;
    return made.isQuoted === true ? `"${jwt}"` : jwt;
  }

  sign(text: string): Buffer {
    return sign("sha256", Buffer.from(text), { key: this.#key, dsaEncoding: "ieee-p1363" });
  }
}

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** What a browser remembers of a session that it has bound. */
export interface BoundInBrowser {
  readonly id: string;
  readonly refreshUrl: string;
}

/** The challenge and the path of an answer that asks for a key; undefined where it does not. */
export function offerIn({
  headers,
}: Answer): { readonly path: string; readonly challenge: string } | undefined {
  const value = headers["secure-session-registration"];
  if (value === undefined) return undefined;
  const [, path, challenge] =
    /^\(ES256 RS256\);path="([^"]+)";challenge="([^"]+)"$/.exec(String(value)) ?? [];
  assert.ok(path !== undefined && challenge !== undefined, `not what browsers read: ${value}`);
  return { path, challenge };
}

/** The challenge of a refresh, and the session that it is for. */
export function challengeIn({
  headers,
}: Answer): { readonly challenge: string; readonly id: string } | undefined {
  const value = headers["secure-session-challenge"];
  if (value === undefined) return undefined;
  const [, challenge, id] = /^"([^"]+)";id="([^"]+)"$/.exec(String(value)) ?? [];
  assert.ok(challenge !== undefined && id !== undefined, `not what browsers read: ${value}`);
  return { challenge, id };
}

/** A browser that binds its sessions; all of it comes over https, by way of a proxy. */
export class BindingBrowser {
  readonly visitor: Visitor;
  readonly keys: KeyHolder;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(visitor: Visitor, headers: Readonly<Record<string, string>>, keys = new KeyHolder()) {
    this.visitor = visitor;
    this.#headers = headers;
    this.keys = keys;
  }

  post(path: string, headers: Readonly<Record<string, string>> = {}, cookie?: string): Promise<Answer> {
    return this.visitor.post(path, {
      headers: { ...this.#headers, ...headers },
      ...(cookie !== undefined && { cookie }),
    });
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.visitor.get(path, { headers: { ...this.#headers, ...headers } });
  }

  /** Registers the key, for the challenge of a sign-in's answer. */
  async register(answer: Answer, made: ProofMade = {}): Promise<Answer> {
    const offer = offerIn(answer);
    assert.ok(offer !== undefined, "the answer asks for no key");
    return this.post(offer.path, {
      "secure-session-response": this.keys.proof(offer.challenge, made, true),
    });
  }

  refresh({ id, refreshUrl }: BoundInBrowser, challenge?: string, made: ProofMade = {}): Promise<Answer> {
    return this.post(refreshUrl, {
      "sec-secure-session-id": `"${id}"`,
      ...(challenge !== undefined && { "secure-session-response": this.keys.proof(challenge, made, false) }),
    });
  }
}

/** What the answer to a registration or a refresh tells the browser. */
export function boundIn({ status, text }: Answer): BoundInBrowser {
  assert.equal(status, 200, text);
  const { session_identifier: id, refresh_url: refreshUrl } = JSON.parse(text);
  return { id, refreshUrl };
}
