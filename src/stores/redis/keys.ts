import { shardKeyOf } from "../../protocol/secrets.ts";

/**
 * The names of keys. What changes together lies in one slot of a cluster: what stands between braces decides, and
 * a session and its remembered login begin with the same six characters. Unrelated ids may share a shard key as well;
 * the whole id distinguishes them.
 */
export class Keys {
  readonly prefix: string;
  readonly #prefixBytes: number;

  constructor(prefix: string) {
    this.prefix = prefix;
    this.#prefixBytes = Buffer.byteLength(prefix);
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
    return /^\{[\w-]+\}[sl]:[\w-]+$/.test(rest)
      ? name
      : `${name.slice(0, end)}${/^[a-z]*:?/.exec(rest)?.[0]}…`;
  }

  get audit(): string {
    return `${this.prefix}audit`;
  }

  /** The entries of a user, given as rows write users. */
  auditOf(user: string): string {
    return `${this.prefix}audit:${user}`;
  }

  get prune(): string {
    return `${this.prefix}prune`;
  }

  /** How many bytes of a key come after the prefix. */
  endOf(key: string): string {
    return String(Buffer.byteLength(key) - this.#prefixBytes);
  }
}

export const userIndex = (user: string): string => `u:${user}`;

export const tagIndex = (user: string, tag: string): string =>
  `tag:${Buffer.byteLength(user)}:${user}:${tag}`;

/** The user of an index, and its tag. */
export function partsOf(index: string): { readonly user: string; readonly tag: string | undefined } {
  const [, kind, rest = ""] = /^(u|tag):(.*)$/s.exec(index) ?? [];
  if (kind === "u") return { user: rest, tag: undefined };
  const colon = rest.indexOf(":");
  const bytes = Buffer.from(rest.slice(colon + 1));
  const length = Number(rest.slice(0, colon));
  return { user: bytes.toString("utf8", 0, length), tag: bytes.toString("utf8", length + 1) };
}
