import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

/** The real code, from the repository's sources or from a mutated copy of them. */
export interface Library {
  readonly openRequest: typeof import("../../src/request/open.ts").openRequest;
  readonly commitRequest: typeof import("../../src/request/commit.ts").commitRequest;
  readonly Psession: typeof import("../../src/psession.ts").Psession;
  readonly runInRequest: typeof import("../../src/request/context.ts").runInRequest;
  readonly register: typeof import("../../src/request/bind.ts").register;
  readonly refresh: typeof import("../../src/request/bind.ts").refresh;
  readonly registrationOf: typeof import("../../src/request/bound.ts").registrationOf;
  readonly markOfUser: typeof import("../../src/request/marks.ts").markOfUser;
  readonly markAt: typeof import("../../src/request/marks.ts").markAt;
  readonly Session: typeof import("../../src/session.ts").Session;
  readonly Events: typeof import("../../src/events.ts").Events;
  readonly resolveOptions: typeof import("../../src/options/resolve.ts").resolveOptions;
  readonly deriveTimes: typeof import("../../src/protocol/times.ts").deriveTimes;
  readonly decide: typeof import("../../src/protocol/decide.ts");
  readonly memoryStore: typeof import("../../src/stores/memory/index.ts").memoryStore;
  readonly KeyValueStore: typeof import("../../src/stores/kit/index.ts").KeyValueStore;
  readonly digest: typeof import("../../src/protocol/secrets.ts").digest;
  /** Broken on purpose: what usually happens may be impossible. */
  readonly isMutated: boolean;
}

export const SOURCES = resolve(import.meta.dirname, "../../src");

export async function loadLibrary(sources = SOURCES): Promise<Library> {
  const load = (path: string) => import(pathToFileURL(join(sources, path)).href);
  const { randomness } = await load("protocol/randomness.ts");
  randomness.take = taken;
  return {
    ...(await load("request/open.ts")),
    ...(await load("request/commit.ts")),
    ...(await load("request/bind.ts")),
    ...(await load("request/bound.ts")),
    ...(await load("session.ts")),
    ...(await load("psession.ts")),
    ...(await load("request/context.ts")),
    ...(await load("request/marks.ts")),
    ...(await load("events.ts")),
    ...(await load("options/resolve.ts")),
    ...(await load("protocol/times.ts")),
    ...(await load("stores/memory/index.ts")),
    ...(await load("stores/kit/index.ts")),
    ...(await load("protocol/secrets.ts")),
    decide: await load("protocol/decide.ts"),
    isMutated: sources !== SOURCES,
  } as Library;
}

let seed = "";
let drawn = 0;

/** From now on "random" bytes follow from this seed, so that a request can be run again from its beginning. */
export function seedRandomness(next: string): void {
  seed = next;
  drawn = 0;
}

function taken(length: number): Buffer {
  drawn++;
  return createHash("sha512").update(`${seed}/${drawn}`).digest().subarray(0, length);
}
