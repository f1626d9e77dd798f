import { assertUserId } from "../../checks/user-id.ts";
import { type AuditEntry, type AuditQuery, type AuditTrail, earliestAuditId } from "../audit.ts";
import type { UserId } from "../store.ts";
import { damaged, numberOf, textsOf } from "./replies.ts";
import { decodeUser, encodeUser } from "./rows.ts";
import type { Server } from "./server.ts";

/** Entries of one page while counting: a reply has to fit into memory, and others wait for it. */
const PAGE = 1000;
const ID_LENGTH = 22;
/** Comes after every character of an id. */
const LAST = "~";

/**
 * Audit entries in sorted sets, one of all and one per user, in the order of their ids: all have the score 0, so that
 * the server sorts by the text itself, and adding the same entry twice keeps one.
 */
export class RedisTrail implements AuditTrail {
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
  }

  /** The set of all first: what a crash leaves out of a user's is still there, and is pruned. */
  async append(entries: readonly AuditEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const { keys } = this.#server;
    await this.#add(keys.audit, entries);
    const byUser = Map.groupBy(entries, ({ userId }) =>
      userId === undefined ? undefined : encodeUser(userId),
    );
    for (const [user, own] of byUser) if (user !== undefined) await this.#add(keys.auditOf(user), own);
  }

  async prune(before: number, limit: number): Promise<number> {
    const { keys } = this.#server;
    const range = [
      "ZRANGEBYLEX",
      keys.audit,
      "-",
      `(${earliestAuditId(before)}`,
      "LIMIT",
      "0",
      String(limit),
    ];
    const members = await this.#texts(range);
    const byUser = Map.groupBy(members, userIn);
    for (const [user, own] of byUser)
      if (user !== undefined) numberOf(await this.#send(["ZREM", keys.auditOf(encodeUser(user)), ...own]));
    if (members.length > 0) numberOf(await this.#send(["ZREM", keys.audit, ...members]));
    return members.length;
  }

  async read({ userId, since, before, limit }: AuditQuery): Promise<readonly AuditEntry[]> {
    if (userId !== undefined) assertUserId(userId, "any");
    const { keys } = this.#server;
    const key = userId === undefined ? keys.audit : keys.auditOf(encodeUser(userId));
    const from = since === undefined ? "-" : `[${earliestAuditId(since)}`;
    const to = before === undefined ? "+" : `(${before}`;
    return (await this.#texts(["ZREVRANGEBYLEX", key, to, from, "LIMIT", "0", String(limit)])).map(decode);
  }

  async count(since: number): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>();
    let from = `[${earliestAuditId(since)}`;
    while (true) {
      const range = ["ZRANGEBYLEX", this.#server.keys.audit, from, "+", "LIMIT", "0", String(PAGE)];
      const members = await this.#texts(range);
      for (const { event } of members.map(decode)) counts.set(event, (counts.get(event) ?? 0) + 1);
      const last = members.at(-1);
      if (last === undefined || members.length < PAGE) return counts;
      from = `(${last.slice(0, ID_LENGTH)}${LAST}`;
    }
  }

  async #add(key: string, entries: readonly AuditEntry[]): Promise<void> {
    numberOf(await this.#send(["ZADD", key, ...entries.flatMap((entry) => ["0", encode(entry)])]));
  }

  #send(args: [string, string, ...string[]]): Promise<unknown> {
    return this.#server.send(args[1], args, this.#server.deadline());
  }

  async #texts(args: string[]): Promise<string[]> {
    return textsOf(await this.#send(args as [string, string, ...string[]]));
  }
}

const encode = ({ id, at, event, userId, handle, address, detail }: AuditEntry): string =>
  id +
  JSON.stringify({
    at,
    event,
    user: userId === undefined ? undefined : encodeUser(userId),
    handle,
    address,
    detail,
  });

function decode(member: string): AuditEntry {
  const { user, ...rest } = parsed(member.slice(ID_LENGTH));
  const { at, event, handle, address, detail } = rest;
  const userId = user === undefined ? undefined : decodeUser(user);
  return { id: member.slice(0, ID_LENGTH), at, event, userId, handle, address, detail };
}

/** Of an entry to delete: one that cannot be read is deleted as well, and does not stop the others. */
function userIn(member: string): UserId | undefined {
  try {
    return decode(member).userId;
  } catch {
    return undefined;
  }
}

function parsed(text: string): Omit<AuditEntry, "id" | "userId"> & { user?: string } {
  try {
    const entry = JSON.parse(text);
    if (Number.isFinite(entry.at) && typeof entry.event === "string") return entry;
  } catch {}
  throw damaged("An entry of the audit trail");
}
