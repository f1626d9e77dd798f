import { EmbeddedJWK, errors, importJWK, type JWK, type JWTVerifyOptions, jwtVerify } from "jose";
import { ALGORITHMS, type BoundKey } from "../protocol/bound.ts";

/*
 * Proofs of a key, as browsers sign them (W3C Device Bound Session Credentials, section 8.3): a JWT with the challenge as its
 * `jti`. A chunk of its own, as only these two endpoints need it.
 */

/** With room for the longest RSA keys; what is longer is not read. */
const LONGEST = 8192;

const OPTIONS: JWTVerifyOptions = { algorithms: [...ALGORITHMS], typ: "dbsc+jwt" };

/** Members of private and symmetric keys (RFC 7518 section 6). */
const PRIVATE = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] as const;
const PUBLIC = { ES256: ["kty", "crv", "x", "y"], RS256: ["kty", "n", "e"] } as const;

/** The value of the header, which is a string of RFC 9651 or bare. */
export function proofIn(header: string | readonly string[] | undefined): string | undefined {
  if (typeof header !== "string" || header.length > LONGEST) return undefined;
  const [, quoted, bare] = /^\s*(?:"([^"\\]*)"|([^"\s;,]+))\s*(?:;.*)?$/.exec(header) ?? [];
  return quoted ?? bare;
}

/** A key that a browser registers, and the challenge that it has signed with it. Undefined for anything else. */
export async function readRegistration(
  proof: string,
): Promise<{ readonly key: BoundKey; readonly challenge: string } | undefined> {
  try {
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, OPTIONS);
    const { alg, jwk } = protectedHeader;
    const key = keyOf(alg, jwk);
    return key === undefined || typeof payload.jti !== "string" ? undefined : { key, challenge: payload.jti };
  } catch {
    return undefined;
  }
}

/**
 * The challenge that was signed with this key. "forged": of another key. Undefined where it is no proof at all, as without a
 * signature or by another algorithm: anybody can send that, and it says nothing about who has the key.
 */
export async function readProof(
  proof: string,
  { alg, jwk }: BoundKey,
): Promise<{ readonly challenge: string } | "forged" | undefined> {
  try {
    const key = await importJWK({ ...jwk } as unknown as JWK, alg);
    const { payload } = await jwtVerify(proof, key, { ...OPTIONS, algorithms: [alg] });
    return typeof payload.jti === "string" ? { challenge: payload.jti } : undefined;
  } catch (error) {
    return error instanceof errors.JWSSignatureVerificationFailed ? "forged" : undefined;
  }
}

/** jose imports the key by the algorithm of the header; whether the key names another one it does not compare. */
function keyOf(alg: string, jwk: JWK | undefined): BoundKey | undefined {
  if (jwk === undefined || (alg !== "ES256" && alg !== "RS256")) return undefined;
  if (jwk.alg !== undefined && jwk.alg !== alg) return undefined;
  const members = jwk as Readonly<Record<string, unknown>>;
  if (PRIVATE.some((name) => name in members)) return undefined;
  const kept: Record<string, string> = {};
  for (const name of PUBLIC[alg]) {
    const value = members[name];
    if (typeof value !== "string") return undefined;
    kept[name] = value;
  }
  return { alg, jwk: kept };
}

/** Whether two keys are one. */
export const isSameKey = (one: BoundKey, other: BoundKey): boolean =>
  one.alg === other.alg && PUBLIC[one.alg].every((name) => one.jwk[name] === other.jwk[name]);
