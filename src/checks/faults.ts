import * as v from "valibot";
import { PsessionError } from "../errors.ts";

/**
 * Options as their schema reads them, and all their faults: one line each for the caller. A schema names only the first
 * unknown key, so each is removed in turn, until none is left.
 *
 * @internal
 */
export function readOptions<const S extends v.GenericSchema>(
  schema: S,
  options: unknown,
  known: () => readonly string[] = () => [],
): { readonly parsed: v.SafeParseResult<S>; readonly faults: string[] } {
  const parsed = v.safeParse(schema, options);
  const faults: string[] = [];
  let issues: readonly v.BaseIssue<unknown>[] = parsed.issues ?? [];
  let given = options;
  for (;;) {
    const unknown = issues.filter(isUnknown);
    faults.push(...unknown.map((issue) => describeFault(issue) + suggestion(issue, known())));
    if (unknown.length === 0) break;
    for (const { path = [] } of unknown) {
      given = without(
        given,
        path.map(({ key }) => key),
      );
    }
    issues = v.safeParse(schema, given).issues ?? [];
  }
  return { parsed, faults: [...issues.map(describeFault), ...faults] };
}

const isUnknown = ({ type, expected, path }: v.BaseIssue<unknown>): boolean =>
  type === "strict_object" && expected === "never" && path !== undefined;

function without(given: unknown, [key, ...rest]: readonly unknown[]): unknown {
  const copy = (Array.isArray(given) ? [...given] : { ...(given as object) }) as Record<PropertyKey, unknown>;
  if (rest.length === 0) delete copy[key as PropertyKey];
  else copy[key as PropertyKey] = without(copy[key as PropertyKey], rest);
  return copy;
}

/** Never repeats a value: it may be a key. */
function describeFault(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue) ?? "options";
  if (issue.type === "strict_object") {
    if (issue.expected === "never") return `${path} is no option`;
    if (issue.received === "undefined") return `${path} is missing`;
    return `${path} must be an object`;
  }
  return `${path} ${issue.message}`;
}

/**
 * Options as their schema completes them. Throws `invalid_options` with everything that is wrong.
 *
 * @internal
 */
export function checkedOptions<const S extends v.GenericSchema>(
  who: string,
  schema: S,
  options: unknown,
  known?: () => readonly string[],
): v.InferOutput<S> {
  const { parsed, faults } = readOptions(schema, options, known);
  if (!parsed.success) throw invalidOptions(who, faults);
  return parsed.output;
}

/** What other libraries of sessions call it. */
const ELSEWHERE: ReadonlyMap<string, readonly string[]> = new Map([
  ["secret", ["keys"]],
  ["secrets", ["keys"]],
  ["password", ["keys"]],
  ["cookie", ["cookies"]],
  ["name", ["cookies.session"]],
  ["cookieName", ["cookies.session"]],
  ["maxAge", ["session.idle", "session.absolute"]],
  ["ttl", ["session.idle", "session.absolute"]],
  ["expires", ["session.idle", "session.absolute"]],
  ["rememberMe", ["remember"]],
]);

/** The options that may have been meant: of that name in another place, of that meaning, or of nearly that name. */
function suggestion(issue: v.BaseIssue<unknown>, known: readonly string[]): string {
  const path = v.getDotPath(issue) ?? "";
  const name = nameOf(path);
  const elsewhere = known.filter((other) => nameOf(other) === name);
  const meant = [elsewhere, ELSEWHERE.get(name) ?? [], known.filter((other) => isNearly(other, path))].find(
    (paths) => known.length > 0 && paths.length > 0,
  );
  return meant === undefined ? "" : `; did you mean ${meant.join(" or ")}?`;
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf(".") + 1);

/** In the same place, and one letter or two away: too many, missing, another, or two that changed places. */
function isNearly(a: string, b: string): boolean {
  const [left, right] = [nameOf(a), nameOf(b)];
  if (a.slice(0, -left.length) !== b.slice(0, -right.length)) return false;
  const common = (one: string, other: string) => {
    let at = 0;
    while (at < Math.min(one.length, other.length) && one[at] === other[at]) at++;
    return at;
  };
  const start = common(left, right);
  const reversed = (text: string) => [...text.slice(start)].reverse().join("");
  const end = common(reversed(left), reversed(right));
  return Math.max(left.length, right.length) - start - end <= 2 && start + end > 0;
}

/** Everything that is wrong, at once. */
export function invalidOptions(who: string, faults: readonly string[]): PsessionError {
  const lines = faults.map((fault) => `- ${fault}`).join("\n");
  return new PsessionError("invalid_options", `${who} cannot start:\n${lines}`);
}
