import { tagOf } from "../../secrets.ts";

/**
 * The names of keys. What changes together lies in one slot of a cluster: what stands between braces decides, and
 * a session and its remembered login begin with the same six characters. Two that have nothing to do with each
 * other may share a tag as well; they are told apart by the whole id.
 */
export class Keys {
  readonly prefix: string;
  readonly #prefixBytes: number;

  constructor(prefix: string) {
    this.prefix = prefix;
    this.#prefixBytes = Buffer.byteLength(prefix);
  }

  session(id: string): string {
    return `${this.prefix}{${tagOf(id)}}s:${id}`;
  }

  login(id: string): string {
    return `${this.prefix}{${tagOf(id)}}l:${id}`;
  }

  /** The handles of a user, given as rows write users. */
  user(user: string): string {
    return `${this.prefix}u:${user}`;
  }

  /** Held while a user's devices are counted and ended in a cluster. */
  cap(user: string): string {
    return `${this.prefix}cap:${user}`;
  }

  lock(name: string): string {
    return `${this.prefix}lock:${name}`;
  }

  /** Before when nothing counts that somebody proved. */
  mark(name: string): string {
    return `${this.prefix}mk:${name}`;
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
