import { listed, usersOf } from "../devices.ts";
import type {
  ChangeParts,
  ChangeResult,
  Ended,
  EndSelector,
  ListedEntry,
  Proof,
  SessionRow,
  UserId,
} from "../store.ts";
import {
  decodeEnded,
  decodeListing,
  decodeResult,
  encodeChange,
  encodeOrder,
  rowKeys,
  tagsOf,
} from "./changes.ts";
import { endByHandle } from "./handle.ts";
import { scripts } from "./lua/index.ts";
import { insertPlain } from "./plain.ts";
import { withTagIndex, withUserIndex } from "./remake.ts";
import { listOf, textsOf, wordOf } from "./replies.ts";
import { encodeUser } from "./rows.ts";
import type { Server } from "./server.ts";
import { perSlot } from "./slots.ts";
import type { Writer } from "./writer.ts";

/** What scripts say of an index that is too long for one. */
const MANY = "many";

/** A single server: every call is one script, so nothing gets between its parts; but for a user of very many devices. */
export class SingleWriter implements Writer {
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
  }

  insert(row: SessionRow, proof: Proof | undefined, deadline: number): Promise<ChangeResult> {
    const { userId } = row;
    const index = userId === undefined ? undefined : this.#server.keys.user(encodeUser(userId));
    return insertPlain(this.#server, row, deadline, index, proof);
  }

  async apply(change: ChangeParts, deadline: number): Promise<ChangeResult> {
    const { keys } = this.#server;
    const users = usersOf(change);
    const indexes = new Set(users.map((user) => keys.user(encodeUser(user))));
    const marks = (change.proof?.marks ?? []).map((name) => keys.mark(name));
    const [first, ...rest] = [...rowKeys(change, keys), ...indexes, ...marks];
    if (first === undefined) return { done: true, ended: [] };
    const { change: encoded, data } = encodeChange(change);
    const args = [JSON.stringify(encoded), data];
    const [userId] = users;
    return withTagIndex(
      this.#server,
      userId === undefined ? "" : encodeUser(userId),
      tagsOf(change),
      async () => (userId === undefined ? [] : this.list(userId)),
      async () => {
        const reply = await this.#server.run(scripts.apply, [first, ...rest], args, deadline);
        return decodeResult(textsOf(reply));
      },
    );
  }

  end(selector: EndSelector): Promise<Ended[]> {
    const { handle, userId } = selector;
    if (handle !== undefined) return endByHandle(this.#server, handle, selector);
    const user = userId === undefined ? "" : encodeUser(userId);
    return withUserIndex(this.#server, user, () => this.#endOf(user, encodeOrder(selector)));
  }

  async #endOf(user: string, order: string): Promise<Ended[]> {
    const index = this.#server.keys.user(user);
    const words = textsOf(await this.#server.run(scripts.end, [index], [order], this.#server.deadline()));
    if (words[0] !== MANY) return decodeEnded(words);
    const ended = await this.#inParts(index, (key, part) =>
      this.#server.run(scripts.end, [key, index], [order, ...part], this.#server.deadline()),
    );
    return ended.flatMap((reply) => decodeEnded(textsOf(reply)));
  }

  list(userId: UserId): Promise<ListedEntry[]> {
    return withUserIndex(this.#server, encodeUser(userId), () => this.#listOf(userId));
  }

  async #listOf(userId: UserId): Promise<ListedEntry[]> {
    const user = encodeUser(userId);
    const index = this.#server.keys.user(user);
    const reply = await this.#server.run(scripts.list, [index], [user], this.#server.deadline());
    if (listOf(reply).length > 1) return decodeListing(reply, userId).entries.map(listed);
    wordOf(listOf(reply)[0], [MANY]);
    const parts = await this.#inParts(index, (key, part) =>
      this.#server.run(scripts.list, [key, index], [user, ...part], this.#server.deadline()),
    );
    return parts.flatMap((part) => decodeListing(part, userId).entries.map(listed));
  }

  /**
   * Of a user with so many devices that one script would keep all other clients waiting. A device that comes or goes
   * between two parts is in neither or one of them; marks stop those that must not slip through.
   */
  async #inParts(
    index: string,
    run: (key: string, part: readonly string[]) => Promise<unknown>,
  ): Promise<unknown[]> {
    const range = ["ZRANGE", index, "0", "-1"];
    const handles = textsOf(await this.#server.send(index, range, this.#server.deadline()));
    return perSlot(this.#server, handles, run);
  }
}
