import { createHmac, createSecretKey, hash, hkdfSync, type KeyObject, timingSafeEqual } from "node:crypto";
import { bytesOfKey, sameText } from "./bytes.ts";
import { randomness } from "./randomness.ts";

/** Row ids: immutable, safe to show, worthless as a credential. */
export const ID_LENGTH = 22;
/** What the ids of a session and its remembered login have in common. */
export const SHARD_KEY_LENGTH = 6;
/** What the ids of a realm have in common. */
const REALM_LENGTH = 4;
const RANDOM_LENGTH = ID_LENGTH - REALM_LENGTH;
/** Secrets and tokens are 256 random bits (ASVS 7.2.3 asks for 128). */
export const SECRET_LENGTH = 43;
/** Characters of base64url: MACs are truncated to 132 bits (RFC 2104 section 5), and no bit of the text is spare. */
export const MAC_LENGTH = 22;

/** A secret or token in the clear. It leaves the process only inside a cookie. */
export type Secret = Buffer;
/** SHA-256 of a secret or token: all that a store ever has. */
export type Digest = Uint8Array;

/**
 * The suffix of every id of a realm. In letters that no collation and no LIKE confuses with others; two realms of one
 * store have the same one by a chance of one in 1.7 million, and then share lists and revocations, but no cookie.
 */
export const realmCode = (realm: string): string => {
  const bits = Number.parseInt(hash("sha256", `psession/1/realm/${realm}`, "hex").slice(0, 12), 16);
  return (bits % 36 ** REALM_LENGTH).toString(36).padStart(REALM_LENGTH, "0");
};

/** The realm of instances that name none. */
export const NO_REALM = realmCode("");

/** 108 random bits, and the code of the realm. */
export const newId = (realm = NO_REALM): string => idFrom(randomness.take(14), realm);
/** An id for what belongs to `id`: the same tag and realm, and 72 random bits between them. */
export const newSiblingId = (id: string): string =>
  shardKeyOf(id) + randomness.take(9).toString("base64url") + realmOf(id);
/** An id from pseudorandom text. */
export const idFrom = (bytes: Buffer, realm: string): string =>
  bytes.toString("base64url").slice(0, RANDOM_LENGTH) + realm;
/** The code of the realm that an id belongs to. */
export const realmOf = (id: string): string => id.slice(-REALM_LENGTH);
/**
 * The first characters of an id. Sessions and logins that belong together have the same, so a store can keep them in
 * one place.
 */
export const shardKeyOf = (id: string): string => id.slice(0, SHARD_KEY_LENGTH);
export const newSecret = (): Secret => randomness.take(32);
export const newSalt = (): Uint8Array => randomness.take(16);

const DIGEST = Buffer.alloc(32);

export function digest(secret: Uint8Array): Digest {
  // By way of text: a buffer of the hash's own takes five times as long, and lies where collecting it is dear.
  DIGEST.write(hash("sha256", secret, "hex"), "hex");
  return new Uint8Array(DIGEST);
}

/** Constant-time comparison; digests all have one length (ASVS 11.2.4). */
export function sameDigest(a: Digest, b: Digest | undefined): boolean {
  return b !== undefined && a.length === b.length && timingSafeEqual(a, b);
}

export type CookiePurpose = "session" | "remember" | "trust" | "acting";
/**
 * "bound": the short cookie of a device-bound session, and "offer": the challenge of its registration. "hop": what one part of a
 * server tells another about a request, in a header that a client may send as well.
 */
export type Purpose = CookiePurpose | "hop" | "bound" | "offer";

/** What the MACs of each cookie are bound to, besides their text. */
export type Scopes = Readonly<Record<CookiePurpose | "device" | "bound", string>>;

const UNBOUND: Scopes = { session: "", remember: "", trust: "", acting: "", device: "", bound: "" };

/** 96 bits: guessing a mark only suppresses a mail about a new device. */
export const MARK_LENGTH = 16;

/** A parsed cookie: its public part, its secret, and its MAC over `text`. */
export interface Signed {
  readonly head: string;
  readonly secret: Secret;
  readonly text: string;
  readonly mac: string;
}

/** What a MAC was valid for. It holds no secret: the digest and the MAC do not make the cookie. */
interface Verified {
  readonly purpose: CookiePurpose;
  readonly head: string;
  readonly digest: Digest;
}

/** Cookies whose MAC is cached; half a megabyte. */
const MOST_VERIFIED = 2000;

interface DerivedKey {
  /** Names the key in a remembered login's row without saying anything about it. */
  readonly id: string;
  readonly macs: Record<Purpose, KeyObject>;
  readonly successor: KeyObject;
  /** Marks of users on the browsers that they are known on. */
  readonly device: KeyObject;
  /** Names of accounts and addresses in counters of failed sign-ins. */
  readonly attempts: KeyObject;
}

/** What a successor is derived from, besides the key and the presented token. */
export interface Derivation {
  readonly id: string;
  readonly generation: number;
  readonly salt: Uint8Array;
}

/**
 * The application's keys: the first one signs and derives, every one verifies, so that keys can be
 * exchanged without logging users out. Uses of a key are separated with HKDF (RFC 5869).
 */
export class KeyRing {
  readonly #keys: readonly [DerivedKey, ...DerivedKey[]];
  /** By MAC, the oldest first. */
  readonly #verified = new Map<string, Verified>();
  /** Keys derived from an application key and a presented token, for as long as the token is in memory. */
  readonly #ofTokens = new WeakMap<Secret, { readonly key: DerivedKey; readonly own: KeyObject }>();

  constructor(keys: readonly [Uint8Array | string, ...(Uint8Array | string)[]], scopes = UNBOUND) {
    const [first, ...older] = keys;
    this.#keys = [deriveKey(first, scopes), ...older.map((key) => deriveKey(key, scopes))];
  }

  get currentKeyId(): string {
    return this.#keys[0].id;
  }

  /** The MAC that a cookie of this purpose carries over everything before it. */
  sign(purpose: Purpose, text: string): string {
    return mac(this.#keys[0].macs[purpose], text);
  }

  verify(purpose: Purpose, text: string, presented: string): boolean {
    return this.#verify(presented, (key) => mac(key.macs[purpose], text));
  }

  /**
   * The digest of a cookie's secret, or undefined where the MAC is wrong. A browser sends the same cookie with every
   * request: a MAC that was valid for this head and a secret of this digest still is, and the digest is needed
   * anyway. Making a MAC takes several times as long as a digest.
   */
  digestIfSigned(purpose: CookiePurpose, { head, secret, text, mac }: Signed): Digest | undefined {
    const known = this.#verified.get(mac);
    if (known !== undefined) {
      const presented = digest(secret);
      if (known.purpose === purpose && known.head === head && sameDigest(presented, known.digest))
        return presented;
    }
    if (!this.verify(purpose, text, mac)) return undefined;
    const verified = { purpose, head: owned(head), digest: digest(secret) };
    this.#verified.set(owned(mac), verified);
    const [oldest] = this.#verified.size > MOST_VERIFIED ? this.#verified.keys() : [];
    if (oldest !== undefined) this.#verified.delete(oldest);
    return verified.digest;
  }

  /** A short MAC of its own key, for the device cookie. */
  mark(text: string): string {
    return mac(this.#keys[0].device, text, MARK_LENGTH);
  }

  verifyMark(text: string, presented: string): boolean {
    return this.#verify(presented, (key) => mac(key.device, text, MARK_LENGTH));
  }

  /** What stands for an account or an address in a counter: without the key nobody can find out which, or make one. */
  counterName(text: string): string {
    return mac(this.#keys[0].attempts, text);
  }

  #verify(presented: string, macOf: (key: DerivedKey) => string): boolean {
    for (const key of this.#keys) if (sameText(macOf(key), presented)) return true;
    return false;
  }

  /**
   * The successor of a presented token. All requests that present the same predecessor derive the same
   * value although the store holds neither: the key alone yields nothing without a live cookie, and a
   * dump of the store with an old cookie yields nothing without the key.
   */
  derive(
    purpose: CookiePurpose,
    presented: Secret,
    from: Derivation,
    keyId = this.currentKeyId,
  ): Secret | undefined {
    const key = this.#keys.find((candidate) => candidate.id === keyId);
    if (key === undefined) return undefined;
    const generation = Buffer.alloc(8);
    generation.writeBigUInt64BE(BigInt(from.generation));
    const text = Buffer.concat([Buffer.from(`${purpose}\0${from.id}`), generation, from.salt]);
    return createHmac("sha256", this.#perToken(key, presented)).update(text).digest();
  }

  /** Cached, as the token and the session secret derived from one token are made together. */
  #perToken(key: DerivedKey, presented: Secret): KeyObject {
    const known = this.#ofTokens.get(presented);
    if (known?.key === key) return known.own;
    const own = createSecretKey(createHmac("sha256", key.successor).update(presented).digest());
    this.#ofTokens.set(presented, { key, own });
    return own;
  }
}

/** A copy: a piece that was cut out of a Cookie header keeps the whole of it in memory. */
const owned = (text: string): string => Buffer.from(text, "latin1").toString("latin1");

function deriveKey(key: Uint8Array | string, scopes: Scopes): DerivedKey {
  const input = bytesOfKey(key);
  const expand = (info: string, length = 32) =>
    Buffer.from(hkdfSync("sha256", input, "psession", `psession/1/${info}`, length));
  // Key objects: given bytes, Node wraps them anew at every use, which takes five times as long as the MAC.
  const keyFor = (info: string) => createSecretKey(expand(info));
  return {
    id: expand("key-id", 6).toString("base64url"),
    macs: {
      session: keyFor(`mac/session/${scopes.session}`),
      remember: keyFor(`mac/remember/${scopes.remember}`),
      trust: keyFor(`mac/trust/${scopes.trust}`),
      acting: keyFor(`mac/acting/${scopes.acting}`),
      hop: keyFor("mac/hop"),
      bound: keyFor(`mac/bound/${scopes.bound}`),
      offer: keyFor(`mac/offer/${scopes.session}`),
    },
    // Without a scope: derived values are bound to their row, and outlive a change of the cookie's attributes.
    successor: keyFor("successor"),
    device: keyFor(`mac/device/${scopes.device}`),
    attempts: keyFor("mac/attempts"),
  };
}

/** As text at once: a Buffer of the digest, and another of its beginning, would take as long as the hashing. */
function mac(key: KeyObject, text: string, length = MAC_LENGTH): string {
  return createHmac("sha256", key).update(text).digest("base64url").slice(0, length);
}
