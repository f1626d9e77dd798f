import type { Change, ChangeResult, Ended, EndSelector, SessionRow, UserEntry, UserId } from "../store.ts";
import { decodeAnswer, decodeEnded, decodeListing, encodeChange, rowKeys } from "./changes.ts";
import { scripts } from "./lua/index.ts";
import { insertPlain } from "./plain.ts";
import { encodeUser, tombstone } from "./rows.ts";
import { type Server, textsOf } from "./server.ts";
import type { Writer } from "./writer.ts";

/** A single server: every call is one script, so nothing gets between its parts. */
export class SingleWriter implements Writer {
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
  }

  async insert(row: SessionRow, deadline: number): Promise<ChangeResult> {
    const { userId } = row;
    const index = userId === undefined ? undefined : this.#server.keys.user(encodeUser(userId));
    const { result, isDue } = await insertPlain(this.#server, row, deadline, index);
    // A list tidies up: also for users who sign in often and never look at their devices.
    if (isDue && userId !== undefined) await this.list(userId, deadline).catch(() => {});
    return result;
  }

  async apply(change: Change, deadline: number): Promise<ChangeResult> {
    const { keys } = this.#server;
    const users = [
      change.remember?.userId,
      change.insert?.userId,
      change.update?.set.userId,
      ...(change.caps ?? []).map(({ userId }) => userId),
    ];
    const indexes = new Set(users.flatMap((user) => (user === undefined ? [] : keys.user(encodeUser(user)))));
    const [first, ...rest] = [...rowKeys(change, keys), ...indexes];
    if (first === undefined) return { done: true, ended: [] };
    const { change: encoded, data } = encodeChange(change);
    const args = [JSON.stringify(encoded), data];
    const answer = decodeAnswer(await this.#server.run(scripts.apply, [first, ...rest], args, deadline));
    if ("missing" in answer) throw new Error("on a single server no index is written apart");
    return answer;
  }

  async end(selector: EndSelector, deadline: number): Promise<Ended[]> {
    const { keys } = this.#server;
    const { handle, userId, except } = selector;
    const user = userId === undefined ? undefined : encodeUser(userId);
    const order = JSON.stringify({ handle, user, except, tombstone: tombstone(selector) });
    const named: [string, ...string[]] =
      handle === undefined ? [keys.user(user ?? "")] : [keys.session(handle), keys.login(handle)];
    return decodeEnded(textsOf(await this.#server.run(scripts.end, named, [order], deadline)));
  }

  async list(userId: UserId, deadline: number): Promise<UserEntry[]> {
    const user = encodeUser(userId);
    const reply = await this.#server.run(scripts.list, [this.#server.keys.user(user)], [user], deadline);
    return decodeListing(reply).entries;
  }
}
