import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { type HopOptions, isHopped, sameSiteHop } from "../../src/index.ts";

const hopOf = (fields: unknown, options: Partial<HopOptions> = {}) =>
  sameSiteHop({ action: "/signed-in", fields: fields as HopOptions["fields"], ...options });

const UNESCAPED: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"' };

/** The fields of the page, as a browser reads them. */
function fieldsOf(body: string): [string, string][] {
  const read = (text = "") =>
    text.replace(/&(?:#(\d+)|(\w+));/g, (_, code, name) =>
      code === undefined ? (UNESCAPED[name] ?? "?") : String.fromCharCode(Number(code)),
    );
  const inputs = body.matchAll(/^<input type="hidden" name="([^"]*)" value="([^"]*)">$/gm);
  return Array.from(inputs, ([, name, value]) => [read(name), read(value)]);
}

const MARKER: [string, string] = ["psession-hop", "1"];

test("every field is posted again exactly as it came, with a mark added", () => {
  const nasty = `"><script>alert('1')</script>&amp;&#39;\r\n\t\u2028é🙂`;
  const pairs: [string, string][] = [
    ["state", "abc"],
    [nasty, nasty],
    ["groups", "one"],
    ["groups", "two"],
    ["submit", "x"],
    ["__proto__", "x"],
    ["empty", ""],
  ];
  const { status, body } = hopOf(new URLSearchParams(pairs));
  expect(status).toBe(200);
  expect(fieldsOf(body)).toEqual([...pairs, MARKER]);
  expect(body).toContain('<form method="post" action="/signed-in"');
  expect(body.match(/<script>/g)).toHaveLength(1);
  expect(isHopped(fieldsOf(body))).toBe(true);
});

test("fields may be an object, as body parsers make it, or any iterable of pairs", () => {
  const parsed = Object.assign(Object.create(null), { code: "1", groups: ["one", "two"] });
  const expected = [["code", "1"], ["groups", "one"], ["groups", "two"], MARKER];
  const form = new FormData();
  for (const [name = "", value = ""] of expected.slice(0, 3)) form.append(name, value);
  for (const fields of [parsed, expected.slice(0, 3), form])
    expect(fieldsOf(hopOf(fields).body)).toEqual(expected);
  expect(fieldsOf(hopOf({}).body)).toEqual([MARKER]);
});

test("the page cannot be cached or framed, and runs its one script only", () => {
  const { headers, body } = hopOf({ state: "abc" });
  const [, script = ""] = /<script>(.*)<\/script>/.exec(body) ?? [];
  const hash = createHash("sha256").update(script).digest("base64");
  expect(headers).toMatchObject({
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
  });
  const policy = headers["Content-Security-Policy"]?.split("; ");
  for (const directive of [
    "default-src 'none'",
    `script-src 'sha256-${hash}'`,
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ])
    expect(policy).toContain(directive);
});

test("its texts are the application's, and escaped", () => {
  const { body } = hopOf({}, { title: "Ein <Moment>", button: 'Weiter & "gut"', lang: "de" });
  expect(body).toContain("<title>Ein &lt;Moment&gt;</title>");
  expect(body).toContain("<button>Weiter &amp; &quot;gut&quot;</button>");
  expect(body).toContain('<html lang="de">');
});

test("the answer fits a Response as it is", async () => {
  const hop = hopOf({ state: "abc" });
  const response = new Response(hop.body, hop);
  expect(response.status).toBe(200);
  expect(response.headers.get("cache-control")).toBe("no-store");
});

test("it leads to a path of this site only", () => {
  for (const action of ["/", "/signed-in", "/auth/done?by=apple&x=%2F", "/a//b"])
    expect(hopOf({}, { action }).body).toContain(`action="${action.replace("&", "&amp;")}"`);
  for (const action of [
    "",
    "signed-in",
    "//evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/a b",
    "/a\\b",
    " /a",
    "https://evil.example/",
    "javascript:alert(1)",
    "/é",
    "/a\n",
    undefined,
    7,
  ] as string[])
    expect(() => hopOf({}, { action }), action).toThrow(expect.objectContaining({ code: "invalid_options" }));
  expect(() => hopOf({}, { target: "_top" } as never)).toThrow(/target is no option/);
  expect(() => hopOf({}, { title: "" })).toThrow(/title must not be empty/);
});

test("fields that no provider sends are refused with 400", () => {
  const refused = expect.objectContaining({ code: "invalid_callback", status: 400 });
  const many = Array.from({ length: 101 }, (_, at) => [`field-${at}`, "x"]);
  for (const fields of [
    undefined,
    null,
    "state=abc",
    { state: 7 },
    { state: { deep: "x" } },
    { state: [["x"]] },
    { state: "a\0b" },
    { state: "\ud800" },
    { "a\0b": "x" },
    { "": "x" },
    [["state"]],
    ["state"],
    many,
    { state: "x".repeat(262_144) },
    { ["x".repeat(262_145)]: "" },
  ])
    expect(() => hopOf(fields)).toThrow(refused);
  expect(() => hopOf(many.slice(1))).not.toThrow();
  const file = new FormData();
  file.append("file", new Blob(["x"]));
  expect(() => hopOf(file)).toThrow(refused);
});

test("what a hop has posted does not hop again", () => {
  const again = fieldsOf(hopOf({ state: "abc" }).body);
  expect(() => hopOf(again)).toThrow(/posted again already/);
  expect(() => hopOf(Object.fromEntries(again))).toThrow(
    expect.objectContaining({ code: "invalid_callback" }),
  );
  for (const fields of [undefined, null, "psession-hop", {}, { state: "psession-hop" }, []])
    expect(isHopped(fields)).toBe(false);
  expect(isHopped({ "psession-hop": "anything" })).toBe(true);
});
