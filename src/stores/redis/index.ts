import * as v from "valibot";
import type { Duration } from "../../checks/duration.ts";
import { checkedOptions } from "../../checks/faults.ts";
import { assertUserId } from "../../checks/user-id.ts";
import { publishBatch } from "../../telemetry/tracing.ts";
import type { AddressPage, AddressResult, AuditTrail } from "../audit.ts";
import { Batch } from "../batch.ts";
import { performed } from "../changes.ts";
import { targetOf, usersOf } from "../devices.ts";
import { timeoutEntry } from "../options.ts";
import type {
  Change,
  ChangeParts,
  ChangeResult,
  Ended,
  EndSelector,
  ListedEntry,
  Naming,
  PruneResult,
  Remembered,
  SessionRow,
  Store,
  StoreAdmin,
  StoreChannel,
  StoreLocks,
  Touch,
  UserId,
  UserRows,
  Write,
} from "../store.ts";
import { RedisAdmin } from "./admin.ts";
import { assertSiblings, decodeFound, idsOf } from "./changes.ts";
import { clientFault, isRedisClient, type RedisClient, wireOf } from "./clients.ts";
import { ClusterWriter } from "./cluster.ts";
import { erase, forgetAddresses, rowsOf } from "./erase.ts";
import { endEveryone } from "./everyone.ts";
import { Keys } from "./keys.ts";
import { scripts } from "./lua/index.ts";
import { setMark } from "./marks.ts";
import { plainInsert, plainSave, savePlain } from "./plain.ts";
import { listOf, misread, numberOf, textOrNone, textsOf, wordOf } from "./replies.ts";
import { decodeSession, encodeUser, sessionHead } from "./rows.ts";
import { Server } from "./server.ts";
import { SingleWriter } from "./single.ts";
import { Touches } from "./touches.ts";
import { RedisTrail } from "./trail.ts";
import type { Writer } from "./writer.ts";

export type {
  IoRedisClient,
  NodeRedisClient,
  NodeRedisCluster,
  NodeRedisCommandOptions,
  RedisClient,
} from "./clients.ts";

/** Options of `redisStore`. */
export interface RedisStoreOptions {
  /**
   * A connected client of node-redis (`createClient`, `createClientPool`, `createCluster`), ioredis or iovalkey
   * (`Redis`, `Cluster`). psession does not close it.
   */
  client: RedisClient;
  /** What the names of all keys begin with. Default: "psession:". */
  prefix?: string | undefined;
  /** The longest that a call waits for the server, then the request fails (503). Default: "5s". */
  timeout?: Duration | undefined;
  /**
   * Keep an audit trail, to which sign-ins, thefts, revocations and the like are added, and which `createPsession`
   * then writes to. Default: false.
   */
  audit?: boolean | undefined;
}

const optionsSchema = v.strictObject({
  client: v.pipe(
    v.custom<RedisClient>(isRedisClient, "must be a client of node-redis, ioredis or iovalkey"),
    v.rawCheck(({ dataset, addIssue }) => {
      const fault = dataset.typed ? clientFault(dataset.value) : undefined;
      if (fault !== undefined) addIssue({ message: fault });
    }),
  ),
  prefix: v.optional(
    v.pipe(
      v.string("must be text"),
      v.minLength(1, "must not be empty"),
      v.maxLength(100, "must have at most 100 characters"),
      // Braces would decide the slot of every key, and put a whole cluster's sessions onto one node.
      v.regex(/^[^{}\s\p{Cc}\p{Cs}]*$/u, "must hold no braces, white space or control characters"),
    ),
    "psession:",
  ),
  timeout: timeoutEntry,
  audit: v.optional(v.boolean("must be true or false"), false),
});

/** Sessions in Redis or Valkey, on a single server or a cluster, through the application's own client. */
export function redisStore(options: RedisStoreOptions): Store {
  const { client, prefix, timeout, audit } = checkedOptions("redisStore", optionsSchema, options);
  const wire = wireOf(client);
  const keys = new Keys(wire.addsKeyPrefix ? prefix : wire.keyPrefix + prefix, wire.keyPrefix + prefix);
  const server = new Server(wire, keys, timeout);
  return new RedisStore(
    server,
    server.isCluster ? new ClusterWriter(server, timeout) : new SingleWriter(server),
    audit ? new RedisTrail(server) : undefined,
  );
}

class RedisStore implements Store {
  readonly name = "redis";
  readonly userIds = "any";
  readonly #server: Server;
  readonly #writer: Writer;
  readonly #touches: Touches;
  readonly admin: StoreAdmin;
  readonly audit: AuditTrail | undefined;
  readonly channel: StoreChannel | undefined;
  /** In a cluster every key may live on another node, and one that stalls must not hold up reads of the others. */
  readonly #reads: Batch<string, string> | undefined;

  constructor(server: Server, writer: Writer, audit: AuditTrail | undefined) {
    this.#server = server;
    this.#writer = writer;
    this.#touches = new Touches(server, this.name);
    this.admin = new RedisAdmin(server);
    this.audit = audit;
    this.channel = server.channel;
    this.#reads = server.isCluster ? undefined : new Batch((ids, since) => this.#loadSessions(ids, since));
  }

  async findSession(id: string): Promise<SessionRow | undefined> {
    const { keys } = this.#server;
    const raw =
      this.#reads === undefined
        ? textOrNone(
            await this.#server.send(keys.session(id), ["GET", keys.session(id)], this.#server.deadline()),
          )
        : await this.#reads.get(id);
    return raw === undefined ? undefined : decodeSession(id, raw);
  }

  async findRemembered(id: string): Promise<Remembered | undefined> {
    const key = this.#server.keys.login(id);
    return decodeFound(id, await this.#server.run(scripts.find, [key], [id], this.#server.deadline()));
  }

  apply(change: Change): Promise<ChangeResult> {
    return performed(change, {
      write: (write) => this.#write(write),
      revoke: (selector) => this.#revoke(selector),
      name: (naming) => this.#name(naming),
      erase: async (change) => {
        assertUserId(change.userId, this.userIds);
        return erase(this.#server, change);
      },
    });
  }

  async #write(change: Write): Promise<ChangeResult> {
    const deadline = this.#server.deadline();
    const insert = plainInsert(change);
    if (insert?.userId !== undefined) assertUserId(insert.userId, this.userIds);
    if (insert !== undefined) return this.#writer.insert(insert, (change as ChangeParts).proof, deadline);
    const save = plainSave(change);
    const saved = save && (await savePlain(this.#server, save, deadline));
    return saved ?? this.#applyAny(change, deadline);
  }

  #applyAny(change: Write, deadline: number): Promise<ChangeResult> {
    const { sessions, logins } = idsOf(change);
    assertSiblings([...sessions, ...logins]);
    for (const userId of usersOf(change)) assertUserId(userId, this.userIds);
    return this.#writer.apply(change, deadline);
  }

  async touch(touches: readonly Touch[]): Promise<void> {
    if (touches.length > 0) await this.#touches.add(touches);
  }

  async #revoke(selector: EndSelector): Promise<readonly Ended[]> {
    const { userId, mark } = selector;
    const target = targetOf(selector);
    if (target === "nothing") return [];
    if (userId !== undefined) assertUserId(userId, this.userIds);
    if (mark !== undefined) await setMark(this.#server, mark, this.#server.deadline());
    if (target === "everyone") return endEveryone(this.#server, selector);
    return this.#writer.end(selector);
  }

  async #name({ handle, userId, name }: Naming): Promise<boolean> {
    assertUserId(userId, this.userIds);
    const { keys } = this.#server;
    const args = [handle, encodeUser(userId), JSON.stringify(sessionHead({ name }))];
    const named = [keys.session(handle), keys.login(handle)] as const;
    const reply = await this.#server.run(scripts.name, named, args, this.#server.deadline());
    return wordOf(reply, ["yes", "no"]) === "yes";
  }

  async list(userId: UserId): Promise<readonly ListedEntry[]> {
    assertUserId(userId, this.userIds);
    return this.#writer.list(userId);
  }

  async rowsOf(userId: UserId): Promise<UserRows> {
    assertUserId(userId, this.userIds);
    return rowsOf(this.#server, userId);
  }

  forgetAddresses = (page: AddressPage): Promise<AddressResult> => forgetAddresses(this.#server, page);

  clock = async (): Promise<number> => {
    const { prune } = this.#server.keys;
    const [seconds, micros] = textsOf(await this.#server.read(prune, ["TIME"], this.#server.deadline()));
    return numberOf(seconds) * 1000 + Math.floor(numberOf(micros) / 1000);
  };

  /** Every row has its expiry in Redis. */
  async prune(): Promise<PruneResult> {
    return { sessions: 0, logins: 0 };
  }

  readonly locks: StoreLocks = {
    acquire: async ({ name, owner, now, until, longest }) => {
      const key = this.#server.keys.lock(name);
      const args = [owner, String(now), String(until)];
      if (longest !== undefined) args.push(String(now + longest));
      const fence = await this.#server.run(scripts.acquire, [key], args, this.#server.deadline());
      if (fence === null) return undefined;
      const taken = numberOf(fence);
      // Whatever answers so has taken no lock.
      if (taken < now) throw misread("a fence came that is too low");
      return taken;
    },
    release: async (name, owner) => {
      const key = this.#server.keys.lock(name);
      wordOf(await this.#server.run(scripts.release, [key], [owner], this.#server.deadline()), ["OK"]);
    },
  };

  async #loadSessions(ids: readonly string[], since: number): Promise<ReadonlyMap<string, string>> {
    publishBatch(this.name, "findSession", ids.length);
    const names = ids.map((id) => this.#server.keys.session(id));
    const deadline = this.#server.deadline(since);
    const get = async (name: string) => textOrNone(await this.#server.read(name, ["GET", name], deadline));
    const [first = "", ...others] = names;
    const rows = others.length === 0 ? [await get(first)] : await this.#readMany(first, names, deadline);
    // MGET has the same null for a key that holds something else as for none: GET has an error for it.
    const sure = others.length === 0 ? rows : rows.map((raw, index) => raw ?? get(names[index] ?? ""));
    const found = new Map<string, string>();
    for (const [index, raw] of (await Promise.all(sure)).entries())
      if (raw !== undefined) found.set(ids[index] ?? "", raw);
    return found;
  }

  async #readMany(
    first: string,
    names: readonly string[],
    deadline: number,
  ): Promise<readonly (string | undefined)[]> {
    const rows = listOf(await this.#server.read(first, ["MGET", ...names], deadline)).map(textOrNone);
    if (rows.length !== names.length) throw misread("a list of another length came");
    return rows;
  }
}
