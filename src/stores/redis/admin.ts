import { randomBytes } from "node:crypto";
import type { BrowsePage, BrowseResult, StoreAdmin, StoreFault, StoreReport, UserEntry } from "../store.ts";
import { decodeListing } from "./changes.ts";
import type { Node } from "./clients.ts";
import { scripts } from "./lua/index.ts";
import { numberOf, textOf, textsOf } from "./replies.ts";
import { type Position, scan } from "./scan.ts";
import type { Server } from "./server.ts";
import { perSlot } from "./slots.ts";

/** Keys that one command looks at, and commands that one page waits for where few keys are psession's. */
const SCAN_COUNT = 500;
const MOST_SCANS = 200;
/** Beyond so many keys in all, psession's are estimated by a sample, as keys have no order. */
const COUNTED_KEYS = 1_000_000;
const SAMPLED_SCANS = 200;
/** Walks through all keys that may be under way at once. */
const MOST_WALKS = 8;

/** What `next` holds: which walk, where its next command goes on, and what the last one gave too much. */
interface Walk {
  readonly walk: string;
  readonly position: Position | undefined;
  readonly rest: readonly string[];
}

export class RedisAdmin implements StoreAdmin {
  readonly #server: Server;
  /**
   * What each walk has given. A server repeats keys when its table shrinks under a walk, and a device is found by
   * either of its rows. Another process that goes on with a walk may repeat some, and misses none.
   */
  readonly #given = new Map<string, Set<string>>();

  constructor(server: Server) {
    this.#server = server;
  }

  async browse({ after, limit }: BrowsePage): Promise<BrowseResult> {
    const nodes = await this.#server.nodes();
    const begun = after === undefined ? undefined : decode(after);
    const walk = begun?.walk ?? randomBytes(9).toString("base64url");
    const given = this.#givenBy(walk);
    let rest = [...(begun?.rest ?? [])];
    let position = begun?.position;
    let isAtEnd = begun !== undefined && position === undefined;
    const entries: UserEntry[] = [];
    for (let scans = 0; entries.length < limit; ) {
      const next = rest.splice(0, limit - entries.length);
      for (const entry of await this.#look(next.filter((handle) => !given.has(handle)))) {
        const handles = handlesOf(entry);
        if (!handles.some((handle) => given.has(handle))) entries.push(entry);
        for (const handle of handles) given.add(handle);
      }
      if (rest.length > 0) continue;
      if (isAtEnd || scans++ >= MOST_SCANS) break;
      const scanned = await scan(this.#server, nodes, position, SCAN_COUNT);
      rest = [...new Set(scanned.handles)];
      position = scanned.next;
      isAtEnd = position === undefined;
    }
    if (!isAtEnd || rest.length > 0) return { entries, next: encode({ walk, position, rest }) };
    this.#given.delete(walk);
    return { entries, next: undefined };
  }

  async inspect(): Promise<StoreReport> {
    const server = this.#server;
    const nodes = await server.nodes();
    const [first] = nodes;
    if (first === undefined) throw new Error("a client has at least one server");
    const [seconds, micros] = textsOf(await server.sendTo(first, ["TIME"]));
    const infos = await Promise.all(nodes.map(async (node) => ({ node, info: await this.#info(node) })));
    const { sessions, logins } = await this.#count(nodes);
    return {
      now: numberOf(seconds) * 1000 + Math.floor(numberOf(micros) / 1000),
      version: versionOf(infos[0]?.info ?? new Map()),
      tables: [
        { name: "sessions", rows: sessions, bytes: undefined },
        { name: "logins", rows: logins, bytes: undefined },
      ],
      // Rows expire by themselves.
      prunedAt: undefined,
      faults: infos.flatMap(({ node, info }) =>
        evictionFault(info, nodes.length > 1 ? node.name : undefined),
      ),
    };
  }

  async #look(handles: readonly string[]): Promise<UserEntry[]> {
    const server = this.#server;
    const deadline = server.deadline();
    const replies = await perSlot(server, handles, (key, ofSlot) =>
      server.run(scripts.look, [key], ofSlot, deadline),
    );
    return replies.flatMap((reply) => decodeListing(reply).entries);
  }

  async #info(node: Node): Promise<ReadonlyMap<string, string>> {
    const lines = textOf(await this.#server.sendTo(node, ["INFO"])).split(/\r?\n/);
    return new Map(lines.map((line) => [line.split(":", 1)[0] ?? "", line.slice(line.indexOf(":") + 1)]));
  }

  async #count(nodes: readonly Node[]): Promise<{ sessions: number; logins: number }> {
    const server = this.#server;
    let sessions = 0;
    let logins = 0;
    for (const node of nodes) {
      const size = numberOf(await server.sendTo(node, ["DBSIZE"]));
      const mostScans = size > COUNTED_KEYS ? SAMPLED_SCANS : Number.POSITIVE_INFINITY;
      const seen = new Set<string>();
      let position: Position | undefined;
      let scans = 0;
      do {
        const scanned = await scan(server, [node], position, SCAN_COUNT);
        for (const handle of scanned.handles) seen.add(handle);
        position = scanned.next;
        scans++;
      } while (position !== undefined && scans < mostScans);
      const share = position === undefined ? 1 : size / (scans * SCAN_COUNT);
      const ofNode = [...seen].filter((handle) => handle.startsWith("s:")).length;
      sessions += Math.round(ofNode * share);
      logins += Math.round((seen.size - ofNode) * share);
    }
    return { sessions, logins };
  }

  #givenBy(walk: string): Set<string> {
    const given = this.#given.get(walk) ?? new Set<string>();
    this.#given.delete(walk);
    this.#given.set(walk, given);
    const [oldest] = this.#given.keys();
    if (this.#given.size > MOST_WALKS && oldest !== undefined) this.#given.delete(oldest);
    return given;
  }
}

const encode = (walk: Walk): string => Buffer.from(JSON.stringify(walk)).toString("base64url");

const decode = (text: string): Walk => JSON.parse(Buffer.from(text, "base64url").toString()) as Walk;

const handlesOf = ({ session, login }: UserEntry): string[] => [
  ...(session === undefined ? [] : [`s:${session.id}`]),
  ...(login === undefined ? [] : [`l:${login.id}`]),
];

function versionOf(info: ReadonlyMap<string, string>): string {
  const valkey = info.get("valkey_version");
  return valkey === undefined ? `Redis ${info.get("redis_version") ?? "?"}` : `Valkey ${valkey}`;
}

function evictionFault(info: ReadonlyMap<string, string>, node: string | undefined): StoreFault[] {
  const policy = info.get("maxmemory_policy") ?? "noeviction";
  if (policy === "noeviction" || Number(info.get("maxmemory") ?? 0) === 0) return [];
  const where = node === undefined ? "The Redis server" : `The Redis server ${node}`;
  return [
    {
      code: "eviction_policy",
      message: `${where} drops keys when it is full (maxmemory-policy ${policy}): every row of psession expires, so users would be signed out, and indexes lost by which devices are ended. Set maxmemory-policy noeviction.`,
    },
  ];
}
