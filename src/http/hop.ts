import { createHash } from "node:crypto";
import * as v from "valibot";
import { checkedOptions } from "../checks/faults.ts";
import { PsessionError } from "../errors.ts";

/** Fields of a form: an object, as body parsers make it, with a list where a name came several times; or pairs. */
export type HopFields =
  | Readonly<Record<string, string | readonly string[]>>
  | Iterable<readonly [string, string]>;

/** What `sameSiteHop` makes its page from. */
export interface HopOptions {
  /** Where the fields are posted to: a path of this site, such as "/signed-in". */
  action: string;
  /** What the other site posted, such as `request.body` behind a parser for forms. */
  fields: HopFields;
  /** Title of the page, and what stands on it. Default: "Signing in". */
  title?: string | undefined;
  /** What stands on the button, which visitors see whose browser runs no scripts. Default: "Continue". */
  button?: string | undefined;
  /** Language of those two. Default: "en". */
  lang?: string | undefined;
}

/** An answer, for whatever framework. */
export interface Hop {
  readonly status: 200;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Marks the fields that the hop's page posts. Any client can send it: it chooses the answer, and proves nothing. */
const MARKER = "psession-hop";

/** SAML answers with hundreds of groups are large; what is larger has another reason. */
const MOST_FIELDS = 100;
const MOST_BYTES = 262_144;

/**
 * A path only, as it stands. Browsers drop tabs and line feeds of an address and take a backslash for a slash, so that
 * "/\t/evil.example" is another site (CWE-601).
 */
const PATH = /^\/(?!\/)[!-[\]-~]*$/;

const text = v.pipe(v.string("must be text"), v.nonEmpty("must not be empty"));
const hopOptions = v.strictObject({
  action: v.pipe(
    v.string("must be text"),
    v.regex(
      PATH,
      'must be a path of this site, such as "/signed-in": one slash first, and no space or backslash',
    ),
  ),
  fields: v.unknown(),
  title: v.optional(text, "Signing in"),
  button: v.optional(text, "Continue"),
  lang: v.optional(text, "en"),
});

// Of the prototype, as a field that is called "submit" would be what `form.submit` gives.
const SCRIPT = `HTMLFormElement.prototype.submit.call(document.querySelector("form"));`;
const STYLE =
  "body{margin:20vh auto;text-align:center;font:1rem system-ui,sans-serif;color-scheme:light dark}" +
  "button{font:inherit;padding:.6em 2em}";
const sourceOf = (code: string): string => `'sha256-${createHash("sha256").update(code).digest("base64")}'`;

const HEADERS = {
  "Content-Type": "text/html; charset=utf-8",
  // The fields are credentials.
  "Cache-Control": "no-store",
  "Content-Security-Policy": [
    "default-src 'none'",
    `script-src ${sourceOf(SCRIPT)}`,
    `style-src ${sourceOf(STYLE)}`,
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "X-Content-Type-Options": "nosniff",
  // Not "no-referrer": browsers would then send "Origin: null" with the second post, which origin checks refuse.
  "Referrer-Policy": "same-origin",
} as const;

/**
 * Answers a form that another site made the browser post, such as the end of a sign-in at Apple, Azure or a SAML provider.
 * SameSite cookies do not come with it; they do come with the next request, when a page of this site posts the same
 * fields again. Its handler has to check `state` by `session.takeState`, or this is a way around SameSite.
 */
export function sameSiteHop(options: HopOptions): Hop {
  const { action, fields, title, button, lang } = checkedOptions("sameSiteHop", hopOptions, options);
  const pairs = checkedFields(fields);
  const inputs = [...pairs, [MARKER, "1"] as const]
    .map(([name, value]) => `<input type="hidden" name="${escaped(name)}" value="${escaped(value)}">`)
    .join("\n");
  const body = `<!doctype html>
<html lang="${escaped(lang)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<p>${escaped(title)}</p>
<form method="post" action="${escaped(action)}" accept-charset="utf-8" autocomplete="off">
${inputs}
<button>${escaped(button)}</button>
</form>
<script>${SCRIPT}</script>
</body>
</html>
`;
  return { status: 200, headers: HEADERS, body };
}

/** Whether a form was posted by the page of `sameSiteHop`, for routes that get both posts. */
export function isHopped(fields: unknown): boolean {
  return typeof fields === "object" && fields !== null && pairsOf(fields).some(([name]) => name === MARKER);
}

function checkedFields(fields: unknown): readonly (readonly [string, string])[] {
  if (typeof fields !== "object" || fields === null) {
    throw refused("no fields came: is a parser for forms before it, and was it a form that was posted?");
  }
  const pairs = pairsOf(fields);
  let bytes = 0;
  for (const [name, value] of pairs) {
    if (!isCarried(name) || !isCarried(value)) throw refused("names and values must be text without NUL");
    if (name === "") throw refused("a field has no name");
    // The hop's page has posted this already: another one would go on for ever.
    if (name === MARKER) throw refused("this form has been posted again already; see isHopped()");
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  if (pairs.length > MOST_FIELDS) throw refused(`more than ${MOST_FIELDS} fields came`);
  if (bytes > MOST_BYTES) throw refused(`more than ${MOST_BYTES} bytes came`);
  return pairs as readonly (readonly [string, string])[];
}

function pairsOf(fields: object): readonly (readonly [unknown, unknown])[] {
  if (Symbol.iterator in fields) {
    return Array.from(fields as Iterable<unknown>, (pair) =>
      Array.isArray(pair) ? ([pair[0], pair[1]] as const) : ([undefined, undefined] as const),
    );
  }
  return Object.entries(fields).flatMap(([name, value]) =>
    Array.isArray(value) ? value.map((item: unknown) => [name, item] as const) : [[name, value] as const],
  );
}

/** Text that a page can hold: in place of anything else the browser would post a replacement character. */
const isCarried = (value: unknown): value is string =>
  typeof value === "string" && value.isWellFormed() && !value.includes("\0");

const refused = (why: string): PsessionError =>
  new PsessionError("invalid_callback", `sameSiteHop: ${why}.`, { status: 400 });

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
  // As they stand browsers would read them as one line feed.
  "\r": "&#13;",
  "\n": "&#10;",
};

const escaped = (value: string): string => value.replace(/[&<>"'\r\n]/g, (found) => ESCAPES[found] ?? "");
