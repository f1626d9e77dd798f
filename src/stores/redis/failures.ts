import { PsessionError, reasonOf } from "../../errors.ts";
import { driverError } from "../messages/driver-error.ts";
import type { Keys } from "./keys.ts";
import { DamagedIndex, damaged } from "./replies.ts";

const IN_CLUSTER =
  "The Redis server is part of a cluster and does not own these keys: give redisStore a cluster client (createCluster of node-redis, Cluster of ioredis). If it is one, the cluster's nodes do not agree about which of them has which keys.";

const NO_RIGHTS =
  "The client's user may not run psession's commands on keys with its prefix: docs/stores/redis.md lists them.";

/** What the first word of a server's error means for its operator. */
const SENTENCES: Readonly<Record<string, string>> = {
  READONLY:
    "The Redis server is a replica and takes no writes: connect psession to the primary, or to the address that follows it.",
  LOADING: "The Redis server has just started and is still loading its data.",
  OOM: "The Redis server has reached its maxmemory: give it more. With maxmemory-policy noeviction no session is lost meanwhile.",
  MISCONF: "The Redis server cannot write to its disk and therefore takes no writes.",
  NOREPLICAS: "The Redis server lacks the replicas that min-replicas-to-write asks for.",
  MASTERDOWN: "The Redis server is a replica that has lost its primary.",
  CLUSTERDOWN: "The Redis cluster is down or lacks a part: CLUSTER INFO on any node says more.",
  TRYAGAIN: "The Redis cluster is moving the slot of these keys to another node.",
  BUSY: "The Redis server is busy with a script that does not end: SCRIPT KILL ends one that has written nothing.",
  NOAUTH: "The Redis server wants a password: give it to the client.",
  WRONGPASS: "The Redis server refuses the client's user name or password.",
  NOPERM: NO_RIGHTS,
  MOVED: IN_CLUSTER,
  ASK: IN_CLUSTER,
  CROSSSLOT: IN_CLUSTER,
};

/** What our scripts say of a row that they cannot read; they name its key. */
const DAMAGED = /damaged (row|index): <(.*)>/s;

/**
 * Whatever a driver threw, as `store_unavailable`, or `store_misread` where the server has something else there, with a
 * sentence that says what to do. `key`: which the command was about.
 */
export function unavailable(error: unknown, keys: Keys, key?: string): PsessionError {
  if (error instanceof PsessionError) return error;
  const said = messageOf(error);
  const [, kind, name] = DAMAGED.exec(said) ?? [];
  if (name !== undefined)
    return kind === "index"
      ? new DamagedIndex(name, keys.shown(name))
      : damaged(`The key ${keys.shown(name)}`);
  if (wordOf(said) === "WRONGTYPE")
    return damaged(key === undefined ? "A key with psession's prefix" : `The key ${keys.shown(key)}`);
  const cause = driverError(error);
  return new PsessionError("store_unavailable", sentenceOf(error, said, cause.message), { cause });
}

export function timedOut(timeout: number): PsessionError {
  return new PsessionError(
    "store_unavailable",
    `Redis did not answer within ${timeout} ms (option timeout). It is down, stalled or cannot be reached.`,
  );
}

export const isNoScript = (error: unknown): boolean =>
  error instanceof Error && /^NOSCRIPT\b/.test(error.message);

/** `reason`: the driver's message, of which only `copy` may be repeated. */
function sentenceOf(error: unknown, reason: string, copy: string): string {
  const known = SENTENCES[wordOf(reason)];
  if (known !== undefined) return known;
  if (/non local key in a cluster|Too many Cluster redirections/i.test(reason)) return IN_CLUSTER;
  if (/user executing the script can't/i.test(reason)) return NO_RIGHTS;
  if (/undeclared key/.test(reason)) {
    return "The server refuses scripts that derive the names of keys, as Dragonfly does by default: docs/stores/redis.md says which option allows it.";
  }
  if (/queue is full/i.test(reason)) {
    return "The Redis client holds as many commands as it may (node-redis: commandsQueueMaxLength), as the server does not keep up or cannot be reached.";
  }
  if (nameOf(error) === "ClientOfflineError" || /enableOfflineQueue/.test(reason)) {
    return "The Redis client has no connection, and keeps no commands until it has one (node-redis: disableOfflineQueue; ioredis: enableOfflineQueue).";
  }
  if (nameOf(error) === "ClientClosedError") {
    return "The Redis client is not connected: await client.connect() before the first request, and close it after psession.";
  }
  return `Redis failed: ${copy}`;
}

/** Before Redis 7 the errors of scripts begin otherwise, and the word comes later with a dash before it. */
function wordOf(reason: string): string {
  const inScript = /^(?:ERR )?Error running script.*? -([A-Z]+)\b/.exec(reason);
  return (inScript ?? /^([A-Z]+)\b/.exec(reason))?.[1] ?? "";
}

/** By its class: minifiers rename classes, and drivers give few errors a name of their own. */
const nameOf = (error: unknown): string => (error instanceof Error ? error.constructor.name : "Error");

/** To distinguish errors; never to be repeated. A refused connection to several addresses says nothing itself. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") return error.errors.map(messageOf).join("; ");
  return reasonOf(error);
}
