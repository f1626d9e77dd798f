import { listed } from "../devices.ts";
import type {
  Change,
  ChangeResult,
  Ended,
  EndSelector,
  ListedEntry,
  Proof,
  SessionRow,
  UserId,
} from "../store.ts";
import { decodeAnswer, decodeEnded, decodeListing, encodeChange, encodeOrder, rowKeys } from "./changes.ts";
import { scripts } from "./lua/index.ts";
import { insertPlain } from "./plain.ts";
import { textsOf } from "./replies.ts";
import { encodeUser } from "./rows.ts";
import type { Server } from "./server.ts";
import type { Writer } from "./writer.ts";

/** A single server: every call is one script, so nothing gets between its parts. */
export class SingleWriter implements Writer {
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
  }

  async insert(row: SessionRow, proof: Proof | undefined, deadline: number): Promise<ChangeResult> {
    const { userId } = row;
    const index = userId === undefined ? undefined : this.#server.keys.user(encodeUser(userId));
    const { result, isDue } = await insertPlain(this.#server, row, deadline, index, proof);
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
    const marks = (change.proof?.marks ?? []).map((name) => keys.mark(name));
    const [first, ...rest] = [...rowKeys(change, keys), ...indexes, ...marks];
    if (first === undefined) return { done: true, ended: [] };
    const { change: encoded, data } = encodeChange(change);
    const args = [JSON.stringify(encoded), data];
    const answer = decodeAnswer(await this.#server.run(scripts.apply, [first, ...rest], args, deadline));
    if ("missing" in answer) throw new Error("on a single server no index is written apart");
    return answer;
  }

  async end(selector: EndSelector, deadline: number): Promise<Ended[]> {
    const { keys } = this.#server;
    const { handle, userId } = selector;
    const order = encodeOrder(selector);
    const user = userId === undefined ? "" : encodeUser(userId);
    const named: [string, ...string[]] =
      handle === undefined ? [keys.user(user)] : [keys.session(handle), keys.login(handle)];
    return decodeEnded(textsOf(await this.#server.run(scripts.end, named, [order], deadline)));
  }

  async list(userId: UserId, deadline: number): Promise<ListedEntry[]> {
    const user = encodeUser(userId);
    const reply = await this.#server.run(scripts.list, [this.#server.keys.user(user)], [user], deadline);
    return decodeListing(reply).entries.map(listed);
  }
}
