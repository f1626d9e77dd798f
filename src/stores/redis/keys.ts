import { hash } from "node:crypto";
import { shardKeyOf } from "../../protocol/secrets.ts";

/**
 * The names of keys. What changes together lies in one slot of a cluster: what stands between braces decides, and
 * a session and its remembered login begin with the same six characters. Unrelated ids may share a shard key as well;
 * the whole id distinguishes them.
 */
export class Keys {
  readonly prefix: string;
  readonly #prefixBytes: number;
  /** What else belongs to the trail begins so, and thereby lies in its slot: between the braces stands its whole name. */
  readonly trailFolder: string;

  /** `fullPrefix`: as the server has it, where a driver puts something before the names that it is given. */
  constructor(prefix: string, fullPrefix = prefix) {
    this.prefix = prefix;
    this.#prefixBytes = Buffer.byteLength(prefix);
    this.trailFolder = `{${fullPrefix}audit}`;
  }

  session(id: string): string {
    return `${this.prefix}{${shardKeyOf(id)}}s:${id}`;
  }

  login(id: string): string {
    return `${this.prefix}{${shardKeyOf(id)}}l:${id}`;
  }

  /** The handles of a user, given as rows write users. */
  user(user: string): string {
    return this.index(userIndex(user));
  }

  /** The handles of a user's devices of one tag. */
  tag(user: string, tag: string): string {
    return this.index(tagIndex(user, tag));
  }

  /** By a name as scripts give it. */
  index(name: string): string {
    return `${this.prefix}${name}`;
  }

  /** Held while a user's devices are counted and ended in a cluster. */
  cap(user: string): string {
    return `${this.prefix}cap:${user}`;
  }

  lock(name: string): string {
    return `${this.prefix}lock:${name}`;
  }

  /** The time up to which proofs do not count. */
  mark(name: string): string {
    return `${this.prefix}mk:${name}`;
  }

  /**
   * The name of a key for messages: of a row whole, as its handle is no secret; of any other only its beginning, as the
   * rest holds a user's id or is made from it.
   */
  shown(name: string): string {
    const end = name.indexOf(this.prefix) + this.prefix.length;
    const rest = name.slice(end);
    if (!name.includes(this.prefix) || rest === "") return "a key that is none of psession's";
    if (/^\{[\w-]+\}[sl]:[\w-]+$/.test(rest)) return name;
    const isOfTrail = rest.startsWith(this.trailFolder);
    return `${name.slice(0, end)}${isOfTrail ? "audit:" : /^[a-z]*:?/.exec(rest)?.[0]}…`;
  }

  get audit(): string {
    return `${this.prefix}audit`;
  }

  /** The entries of a user, given as rows write users; a name of a user would stay where the key does. */
  auditOf(user: string): string {
    return `${this.prefix}${this.trailFolder}u:${digestOf(user)}`;
  }

  /** The entries of others in which a user acted. */
  auditBy(user: string): string {
    return `${this.prefix}${this.trailFolder}by:${digestOf(user)}`;
  }

  /** The time up to which entries of an erased user are left out. */
  erasure(mark: string): string {
    return `${this.prefix}${this.trailFolder}erased:${mark}`;
  }

  get prune(): string {
    return `${this.prefix}prune`;
  }

  /** How many bytes of a key come after the prefix. */
  endOf(key: string): string {
    return String(Buffer.byteLength(key) - this.#prefixBytes);
  }
}

export const digestOf = (user: string): string => hash("sha256", user, "base64url");

export const userIndex = (user: string): string => `u:${user}`;

/** What else names a user: rows, by their handles, and the tags that have an index, as "t:" and the tag. */
export const othersIndex = (user: string): string => `also:${user}`;

/** Of the members of an index those that are handles of rows. */
export const isHandle = (member: string): boolean => /^[sl]:/.test(member);

export const tagIndex = (user: string, tag: string): string =>
  `tag:${Buffer.byteLength(user)}:${user}:${tag}`;

/** The user of an index, and its tag. */
export function partsOf(index: string): { readonly user: string; readonly tag: string | undefined } {
  const [, kind, rest = ""] = /^(u|also|tag):(.*)$/s.exec(index) ?? [];
  if (kind !== "tag") return { user: rest, tag: undefined };
  const colon = rest.indexOf(":");
  const bytes = Buffer.from(rest.slice(colon + 1));
  const length = Number(rest.slice(0, colon));
  return { user: bytes.toString("utf8", 0, length), tag: bytes.toString("utf8", length + 1) };
}
