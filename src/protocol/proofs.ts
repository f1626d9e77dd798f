/** A credential that was proved: the method, such as "password", and the time in epoch milliseconds. */
export interface ProvedMethod {
  readonly method: string;
  readonly at: number;
}

/** The newest of each method; more would not fit beside each other in a column. */
const MOST_METHODS = 8;
export const LONGEST_METHOD = 32;

/** Words of the application's own are allowed: letters, digits and _ . : - in them, as in "oauth:google". */
export const isMethod = (value: unknown): value is string =>
  typeof value === "string" && value.length <= LONGEST_METHOD && /^[A-Za-z0-9][A-Za-z0-9_.:-]*$/.test(value);

export function readProofs(text: string | undefined): readonly ProvedMethod[] {
  if (text === undefined) return [];
  return text.split(" ").map((item) => {
    const end = item.lastIndexOf("@");
    return { method: item.slice(0, end), at: Number(item.slice(end + 1)) };
  });
}

export const methodsOf = (proofs: readonly ProvedMethod[]): string[] => proofs.map(({ method }) => method);

/** The latest first; undefined for none. */
export function writeProofs(proofs: readonly ProvedMethod[]): string | undefined {
  const newest = new Map<string, number>();
  for (const { method, at } of proofs) newest.set(method, Math.max(at, newest.get(method) ?? at));
  const latestFirst = [...newest].sort(([, one], [, other]) => other - one).slice(0, MOST_METHODS);
  return latestFirst.length === 0
    ? undefined
    : latestFirst.map(([method, at]) => `${method}@${at}`).join(" ");
}

/** What was proved before, and one method more where the application named one. */
export const withProof = (
  before: string | undefined,
  method: string | undefined,
  at: number,
): string | undefined =>
  method === undefined ? before : writeProofs([...readProofs(before), { method, at }]);

/** What each of these methods is in the claim `amr` of an ID token (RFC 8176); others have no value registered. */
const AMR: ReadonlyMap<string, string> = new Map([
  ["password", "pwd"],
  ["otp", "otp"],
  ["passkey", "pop"],
  ["sms", "sms"],
  ["pin", "pin"],
]);

/** Claims of an OpenID Connect ID token about how the user signed in (OpenID Connect Core 1.0, section 2). */
export interface AuthenticationClaims {
  /** Values of RFC 8176, or the application's own words; with "mfa" where two different factors were proved. */
  readonly amr: readonly string[];
  /** The assurance level of NIST SP 800-63B-4 that the methods reach; undefined for none. */
  readonly acr: "aal1" | "aal2" | undefined;
  /** When a credential was last proved, in seconds. */
  readonly auth_time: number | undefined;
}

/** Factors that psession knows. A link in a mail proves no factor of its own: NIST SP 800-63B-4 section 3.1.3.1. */
const FACTORS: ReadonlyMap<string, "known" | "held"> = new Map([
  ["password", "known"],
  ["pin", "known"],
  ["otp", "held"],
  ["sms", "held"],
]);

/**
 * AAL2 takes two different factors, or an authenticator that asks for the second itself, as a passkey does (NIST
 * SP 800-63B-4 section 2.2). AAL3 takes hardware, of which psession knows nothing.
 */
export function assuranceOf(proofs: readonly ProvedMethod[]): "aal1" | "aal2" | undefined {
  if (proofs.length === 0) return undefined;
  const factors = new Set(proofs.map(({ method }) => FACTORS.get(method)));
  const hasTwo = factors.has("known") && factors.has("held");
  return hasTwo || proofs.some(({ method }) => method === "passkey") ? "aal2" : "aal1";
}

export function claimsOf(
  proofs: readonly ProvedMethod[],
  authenticatedAt: number | undefined,
): AuthenticationClaims {
  const acr = assuranceOf(proofs);
  const amr = proofs.map(({ method }) => AMR.get(method) ?? method);
  return {
    amr: acr === "aal2" ? [...amr, "mfa"] : amr,
    acr,
    auth_time: authenticatedAt === undefined ? undefined : Math.floor(authenticatedAt / 1000),
  };
}
