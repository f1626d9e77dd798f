import { createHash } from "node:crypto";
import { APPLY, TOUCH } from "./apply.ts";
import { ACQUIRE, LOCK, RELEASE, UNLOCK } from "./locks.ts";
import { MARK, MARKS } from "./marks.ts";
import { INSERT, SAVE } from "./plain.ts";
import { HEADS, KEYS_OF_OTHERS, NAMES, NUMBERS, ROWS } from "./rows.ts";
import { APPEND, REPLACE } from "./trail.ts";
import {
  COUNT,
  END,
  ERASE,
  FORGET,
  FORGET_ADDRESSES,
  HAS,
  INDEX,
  INDEXES,
  LIST,
  LOOK,
  NAME,
  NAMING,
  NEEDS,
  OWN,
  READ_INDEX,
  READ_SOME,
  REMAKE,
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
local row = whole(login(ARGV[2]))
if not row then return false end
local found = row.head.si and sure_text_in(key_of('s', row.head.si))
return { row.raw, row.head.si or '', found or '' }
`;

const PLAIN = `${NUMBERS}${KEYS_OF_OTHERS}`;

export const scripts = {
  find: script(ROWS, FIND),
  insert: script(PLAIN, HEADS, NAMES, INDEXES, SWEEPS, MARKS, INSERT),
  save: script(PLAIN, HEADS, SAVE),
  apply: script(ROWS, USERS, NEEDS, MARKS, APPLY),
  mark: script(PLAIN, MARKS, MARK),
  touch: script(ROWS, INDEXES, NEEDS, TOUCH),
  list: script(ROWS, USERS, LIST),
  end: script(ROWS, USERS, END),
  name: script(ROWS, USERS, NAME),
  naming: script(ROWS, USERS, NAMING),
  erase: script(ROWS, USERS, ERASE),
  forgetAddresses: script(ROWS, USERS, FORGET_ADDRESSES),
  append: script(PLAIN, NAMES, MARKS, APPEND),
  replace: script(PLAIN, REPLACE),
  look: script(ROWS, USERS, LOOK),
  own: script(ROWS, INDEXES, OWN),
  index: script(PLAIN, INDEXES, INDEX),
  remake: script(PLAIN, INDEXES, REMAKE),
  readIndex: script(PLAIN, INDEXES, READ_INDEX),
  readSome: script(PLAIN, INDEXES, READ_SOME),
  count: script(PLAIN, INDEXES, COUNT),
  has: script(PLAIN, INDEXES, HAS),
  forget: script(PLAIN, INDEXES, FORGET),
  acquire: script(NUMBERS, ACQUIRE),
  release: script(RELEASE),
  lock: script(PLAIN, LOCK),
  unlock: script(PLAIN, UNLOCK),
} as const;

function script(...parts: readonly string[]): Script {
  const text = parts.join("");
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}
