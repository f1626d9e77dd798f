import { PsessionError } from "../../errors.ts";

/*
 * What a client answers depends on how the application has set it up. It is checked here, before psession identifies a user
 * by it: an answer that was taken for "no such session" would sign users out without an error.
 */

const CHANGED =
  "Settings of the client may do that: a type mapping of node-redis (commandOptions, withTypeMapping), a reply transformer of ioredis (Command.setReplyTransformer), or a client that was extended. Give psession a client of its own without them.";

/** The client answered, but not what it was asked for. */
export const misread = (fault: string, remedy = CHANGED): PsessionError =>
  new PsessionError(
    "store_misread",
    `The Redis client answers otherwise than psession asked: ${fault}. ${remedy}`,
  );

/** What is stored is not psession's, or was cut off or changed by another program. */
export const damaged = (where: string): PsessionError =>
  new PsessionError(
    "store_misread",
    `${where} in Redis is damaged, or none of psession's. Delete it, or choose a prefix of psession's own (option prefix).`,
  );

/** An index is only where to look, so it can be made anew: `remake.ts`. */
export class DamagedIndex extends PsessionError {
  readonly #key: string;

  /** `shown`: the key's name without its user's id. */
  constructor(key: string, shown: string) {
    super(
      "store_misread",
      `The key ${shown} in Redis, psession's index of a user's devices, holds something else. Do not delete it: the user's devices would be out of reach. Listing or revoking the user's devices makes it anew from the sessions themselves. If it is none of psession's, choose a prefix of psession's own (option prefix).`,
    );
    this.#key = key;
  }

  /** Whether it is the one of this name. */
  is(name: string): boolean {
    return this.#key.endsWith(name);
  }
}

/** Clients may be set up to give bytes. Undefined for what is no text. */
function textIn(reply: unknown): string | undefined {
  if (typeof reply === "string") return reply;
  if (reply instanceof Uint8Array)
    return Buffer.from(reply.buffer, reply.byteOffset, reply.byteLength).toString();
  return undefined;
}

export function textOf(reply: unknown): string {
  const text = textIn(reply);
  if (text === undefined) throw misread(`${kindOf(reply)} came for text`);
  return text;
}

/** Undefined where the server has nothing, which it says with its null, and with nothing else. */
export function textOrNone(reply: unknown): string | undefined {
  if (isQueued(reply)) throw inTransaction();
  return reply === null ? undefined : textOf(reply);
}

export function listOf(reply: unknown): readonly unknown[] {
  if (Array.isArray(reply)) return reply;
  throw isQueued(reply) ? inTransaction() : misread(`${kindOf(reply)} came for a list`);
}

export const textsOf = (reply: unknown): string[] => listOf(reply).map(textOf);

/** Clients may be set up to give numbers as text. */
export function numberOf(reply: unknown): number {
  const given = typeof reply === "number" || typeof reply === "bigint" ? reply : (textIn(reply) ?? "");
  const number = given === "" ? Number.NaN : Number(given);
  if (Number.isFinite(number)) return number;
  throw isQueued(reply) ? inTransaction() : misread(`${kindOf(reply)} came for a number`);
}

/** One of the words that a script says. */
export function wordOf<Word extends string>(reply: unknown, words: readonly Word[]): Word {
  const text = textIn(reply);
  const word = words.find((one) => one === text);
  if (word !== undefined) return word;
  throw isQueued(reply) ? inTransaction() : misread(`${kindOf(reply)} came for "${words.join('" or "')}"`);
}

/** Clients that answer by callback, or later, would leave every request waiting. */
export function promiseOf(answer: unknown): Promise<unknown> {
  if (typeof (answer as PromiseLike<unknown> | undefined)?.then === "function")
    return answer as Promise<unknown>;
  throw misread(
    "it gives no promises",
    "Give psession the client itself: not its legacy() or a client in legacyMode, nor a pipeline() or multi().",
  );
}

const isQueued = (reply: unknown): boolean => textIn(reply) === "QUEUED";

const inTransaction = (): PsessionError =>
  misread(
    "a transaction (MULTI) is open on its connection, and psession's commands wait in it",
    "Give psession a client of its own, or run transactions with multi() of the client, which sends them whole.",
  );

/** What came, without a word of what is in it. */
function kindOf(reply: unknown): string {
  if (reply === null || reply === undefined) return "nothing";
  if (Array.isArray(reply)) return "a list";
  if (reply instanceof Uint8Array) return "bytes";
  return typeof reply === "object" ? `a ${reply.constructor?.name ?? "object"}` : `a ${typeof reply}`;
}
