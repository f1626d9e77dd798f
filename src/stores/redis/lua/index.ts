import { createHash } from "node:crypto";
import { APPLY, TOUCH } from "./apply.ts";
import { ACQUIRE, CLAIM, LOCK, RELEASE, UNLOCK } from "./locks.ts";
import { MARK, MARKS } from "./marks.ts";
import { INSERT, SAVE } from "./plain.ts";
import { HEADS, NAMES, NUMBERS, ROWS } from "./rows.ts";
import {
  END,
  FORGET,
  INDEX,
  INDEXES,
  LIST,
  LOOK,
  NAME,
  READ_INDEX,
  READ_SOME,
  SWEEPS,
  USERS,
} from "./users.ts";

export interface Script {
  readonly text: string;
  /** The name by which servers know it. */
  readonly sha: string;
}

/**
 * A login with its session. KEYS: the login's row. ARGV: length of the key's end, id. The session's key, in the same
 * slot, is only known from the row. A session that names another login has moved there: the caller looks at that.
 */
const FIND = `
local row = login(ARGV[2])
if not row then return false end
local found = row.head.si and redis.call('GET', key_of('s', row.head.si))
return { row.raw, row.head.si or '', found or '' }
`;

export const scripts = {
  find: script(ROWS, FIND),
  insert: script(NUMBERS, HEADS, NAMES, INDEXES, SWEEPS, MARKS, INSERT),
  save: script(NUMBERS, HEADS, SAVE),
  apply: script(ROWS, USERS, MARKS, APPLY),
  mark: script(NUMBERS, MARKS, MARK),
  touch: script(ROWS, TOUCH),
  list: script(ROWS, USERS, LIST),
  end: script(ROWS, USERS, END),
  name: script(ROWS, USERS, NAME),
  look: script(ROWS, USERS, LOOK),
  index: script(NUMBERS, INDEXES, INDEX),
  readIndex: script(READ_INDEX),
  readSome: script(NUMBERS, INDEXES, READ_SOME),
  forget: script(NUMBERS, INDEXES, FORGET),
  acquire: script(NUMBERS, ACQUIRE),
  release: script(RELEASE),
  claim: script(NUMBERS, CLAIM),
  lock: script(LOCK),
  unlock: script(UNLOCK),
} as const;

function script(...parts: readonly string[]): Script {
  const text = parts.join("");
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}
