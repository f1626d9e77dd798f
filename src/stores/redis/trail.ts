import { assertUserId } from "../../checks/user-id.ts";
import { realmOf } from "../../protocol/secrets.ts";
import {
  type AddressPage,
  type AddressResult,
  type AuditEntry,
  type AuditErasure,
  type AuditQuery,
  type AuditTrail,
  earliestAuditId,
} from "../audit.ts";
import { erasedEntry, erasureName, NOBODY, withoutActor } from "../erasure.ts";
import type { UserId } from "../store.ts";
import { digestOf } from "./keys.ts";
import { type Script, scripts } from "./lua/index.ts";
import { damaged, numberOf, textsOf, wordOf } from "./replies.ts";
import { decodeUser, encodeUser } from "./rows.ts";
import type { Server } from "./server.ts";

/** Entries of one page while counting: a reply has to fit into memory, and others wait for it. */
const PAGE = 1000;
/** Entries that one script puts others in the place of. */
const REPLACED_AT_ONCE = 100;
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

  /** The keys of the trail lie in one slot, also of a cluster: of an append and an erasure one is first. */
  async append(entries: readonly AuditEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const { keys } = this.#server;
    const words = entries.flatMap((entry) => [
      encode(entry),
      String(entry.at),
      ...marked(entry.userId, entry.id),
      ...marked(entry.actorId, entry.id),
      encode(withoutActor(entry, NOBODY)),
    ]);
    wordOf(await this.#run(scripts.append, [keys.audit], [keys.trailFolder, ...words]), ["OK"]);
  }

  async erase(erasure: AuditErasure): Promise<number> {
    const { userId, realm, at, until } = erasure;
    assertUserId(userId, "any");
    const { keys } = this.#server;
    const args = [String(at), String(until)];
    wordOf(await this.#run(scripts.mark, [keys.erasure(erasureName(userId, realm))], args), ["OK"]);
    const user = encodeUser(userId);
    await this.#eraseIn(keys.auditBy(user), erasure);
    return this.#eraseIn(keys.auditOf(user), erasure);
  }

  async #eraseIn(key: string, erasure: AuditErasure): Promise<number> {
    let count = 0;
    let from = "-";
    while (true) {
      const members = await this.#texts(["ZRANGEBYLEX", key, from, "+", "LIMIT", "0", String(PAGE)]);
      const own = members
        .filter((member) => realmOf(member.slice(0, ID_LENGTH)) === erasure.realm)
        .map((member) => ({ member, entry: decode(member) }));
      count += await this.#replace(
        own.map(({ member, entry }) => ({ old: member, entry, left: erasedEntry(entry, erasure) })),
      );
      const last = members.at(-1);
      if (last === undefined || members.length < PAGE) return count;
      from = afterMember(last);
    }
  }

  async forgetAddresses({ before, realm, after, limit }: AddressPage): Promise<AddressResult> {
    const from = after === undefined ? "-" : `(${after}${LAST}`;
    const to = `(${earliestAuditId(before)}`;
    const range = ["ZRANGEBYLEX", this.#server.keys.audit, from, to, "LIMIT", "0", String(limit)];
    const members = await this.#texts(range);
    const old = members.flatMap((member) => {
      const entry = realmOf(member.slice(0, ID_LENGTH)) === realm ? legible(member) : undefined;
      return entry?.address === undefined
        ? []
        : { old: member, entry, left: { ...entry, address: undefined } };
    });
    const last = members.at(-1)?.slice(0, ID_LENGTH);
    return { count: await this.#replace(old), next: members.length < limit ? undefined : last };
  }

  async prune(before: number, limit: number): Promise<number> {
    const to = `(${earliestAuditId(before)}`;
    const range = ["ZRANGEBYLEX", this.#server.keys.audit, "-", to, "LIMIT", "0", String(limit)];
    const members = await this.#texts(range);
    await this.#replace(members.map((member) => ({ old: member, entry: legible(member), left: undefined })));
    return members.length;
  }

  /** An entry that cannot be read is taken out as well, and does not stop the others. */
  async #replace(replacements: readonly Replacement[]): Promise<number> {
    let count = 0;
    for (let at = 0; at < replacements.length; at += REPLACED_AT_ONCE) {
      const some = replacements.slice(at, at + REPLACED_AT_ONCE);
      const { audit } = this.#server.keys;
      const names: [string, ...string[]] = [
        audit,
        ...some.flatMap(({ entry, left }) => [...this.#setsOf(entry), ...this.#setsOf(left)]),
      ];
      const words = some.flatMap(({ old, left }) => [old, left === undefined ? "" : encode(left)]);
      count += numberOf(await this.#run(scripts.replace, names, words));
    }
    return count;
  }

  /** Of its user, and of who acted. */
  #setsOf(entry: AuditEntry | undefined): [string, string] {
    const { keys } = this.#server;
    const { userId, actorId } = entry ?? {};
    return [
      userId === undefined ? keys.audit : keys.auditOf(encodeUser(userId)),
      actorId === undefined ? keys.audit : keys.auditBy(encodeUser(actorId)),
    ];
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
      from = afterMember(last);
    }
  }

  #run(script: Script, names: readonly [string, ...string[]], args: readonly string[]): Promise<unknown> {
    return this.#server.run(script, names, args, this.#server.deadline());
  }

  #send(args: [string, string, ...string[]]): Promise<unknown> {
    return this.#server.send(args[1], args, this.#server.deadline());
  }

  async #texts(args: string[]): Promise<string[]> {
    return textsOf(await this.#send(args as [string, string, ...string[]]));
  }
}

interface Replacement {
  readonly old: string;
  readonly entry: AuditEntry | undefined;
  readonly left: AuditEntry | undefined;
}

/** The digest of a user, as keys have it, and the name of the mark that erases them. */
const marked = (userId: UserId | undefined, entryId: string): [string, string] =>
  userId === undefined ? ["", ""] : [digestOf(encodeUser(userId)), erasureName(userId, realmOf(entryId))];

const afterMember = (member: string): string => `(${member.slice(0, ID_LENGTH)}${LAST}`;

const encode = ({ id, at, event, userId, actorId, handle, address, detail }: AuditEntry): string =>
  id +
  JSON.stringify({
    at,
    event,
    user: userId === undefined ? undefined : encodeUser(userId),
    actor: actorId === undefined ? undefined : encodeUser(actorId),
    handle,
    address,
    detail,
  });

function decode(member: string): AuditEntry {
  const { user, actor, ...rest } = parsed(member.slice(ID_LENGTH));
  const { at, event, handle, address, detail } = rest;
  const userId = user === undefined ? undefined : decodeUser(user);
  const actorId = actor === undefined ? undefined : decodeUser(actor);
  return { id: member.slice(0, ID_LENGTH), at, event, userId, actorId, handle, address, detail };
}

function legible(member: string): AuditEntry | undefined {
  try {
    return decode(member);
  } catch {
    return undefined;
  }
}

function parsed(
  text: string,
): Omit<AuditEntry, "id" | "userId" | "actorId"> & { user?: string; actor?: string } {
  try {
    const entry = JSON.parse(text);
    if (Number.isFinite(entry.at) && typeof entry.event === "string") return entry;
  } catch {}
  throw damaged("An entry of the audit trail");
}
