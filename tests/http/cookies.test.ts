import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import {
  cookieValues,
  readRememberCookie,
  readSessionCookie,
  rememberCookieValue,
  scopeOf,
  serializeCookie,
  sessionCookieValue,
} from "../../src/http/cookies.ts";
import { digest, KeyRing, newId, newSecret } from "../../src/protocol/secrets.ts";
import { KEY, OLDER_KEY, SESSION } from "../support/app.ts";

const keys = new KeyRing([KEY]);
const cookie = { id: newId(), secret: newSecret() };
const value = sessionCookieValue(cookie, keys);
const definition = {
  name: SESSION,
  path: "/",
  domain: undefined,
  secure: true,
  sameSite: "lax",
  partitioned: false,
} as const;
const read = (header: string | undefined) => readSessionCookie(header, SESSION, keys);

describe("reading", () => {
  test("a cookie comes back as it was signed", () => {
    expect(read(`a=b; ${SESSION}=${value}; c=d`)).toEqual({
      kind: "valid",
      cookie: { ...cookie, digest: digest(cookie.secret) },
    });
    const remember = { id: newId(), generation: 12, token: newSecret() };
    const header = `r=${rememberCookieValue(remember, keys)}`;
    expect(readRememberCookie(header, "r", keys)).toEqual({
      kind: "valid",
      cookie: { ...remember, digest: digest(remember.token) },
    });
  });

  test("space and tab around it are trimmed, and nothing else is", () => {
    expect(read(` \t${SESSION}\t = \t${value} \t`).kind).toBe("valid");
    for (const blank of ["\u00a0", "\u2003", "\v", "\f", "\u0085"]) {
      expect(read(`${SESSION}=${blank}${value}`).kind).toBe("malformed");
      expect(read(`${blank}${SESSION}=${value}`).kind).toBe("absent");
    }
  });

  test("quotes are not taken off, and nothing is decoded", () => {
    expect(read(`${SESSION}="${value}"`).kind).toBe("malformed");
    expect(read(`${SESSION}=${value.replace(".", "%2E")}`).kind).toBe("malformed");
    expect(read(`%5F_Host-psession=${value}`).kind).toBe("absent");
  });

  test("names are compared exactly", () => {
    expect(read(`${SESSION.toLowerCase()}=${value}`).kind).toBe("absent");
    expect(read(`x${SESSION}=${value}`).kind).toBe("absent");
    expect(read(`${SESSION}x=${value}`).kind).toBe("absent");
    expect(read(`${SESSION}[]=${value}`).kind).toBe("absent");
  });

  test("of several cookies of one name the one with a valid MAC counts; none if two have one, even if they are equal", () => {
    const other = sessionCookieValue({ id: newId(), secret: newSecret() }, keys);
    for (const two of [
      [value, value],
      [value, other],
      ["", "x"],
      [value, "x", other],
    ])
      expect(read(two.map((one) => `${SESSION}=${one}`).join("; ")).kind).toBe("duplicate");
    for (const one of [
      ["", value],
      [value, "x"],
      [value, value.slice(0, -1) + (value.endsWith("-") ? "_" : "-")],
    ])
      expect(read(one.map((each) => `${SESSION}=${each}`).join("; "))).toMatchObject({
        kind: "valid",
        cookie,
      });
  });

  test("of more than eight cookies of one name none counts", () => {
    const header = (more: number) => `${`${SESSION}=x; `.repeat(more)}${SESSION}=${value}`;
    expect(read(header(7)).kind).toBe("valid");
    expect(read(header(8)).kind).toBe("duplicate");
  });

  test("a MAC holds for the name, Domain, Path and Partitioned that a cookie was set with", () => {
    const of = (changed: object) => scopeOf({ ...definition, ...changed });
    const scopes = [
      {},
      { name: "other" },
      { domain: "example.com" },
      { domain: "shop.example.com" },
      { path: "/shop" },
      { path: "/shop/" },
      { partitioned: true },
    ].map(of);
    expect(new Set(scopes).size).toBe(scopes.length);
    expect(of({ domain: "EXAMPLE.com" })).toBe(of({ domain: "example.com" }));
    expect(of({ sameSite: "strict" })).toBe(of({}));
    for (const session of scopes) {
      const ring = new KeyRing([KEY], {
        session,
        remember: session,
        device: session,
        trust: session,
        acting: session,
        bound: session,
      });
      expect(readSessionCookie(`${SESSION}=${value}`, SESSION, ring).kind).toBe("malformed");
      expect(readSessionCookie(`${SESSION}=${sessionCookieValue(cookie, ring)}`, SESSION, ring).kind).toBe(
        "valid",
      );
    }
  });

  test("shape, MAC, purpose and key must all fit", () => {
    const [id = "", secret = "", mac = ""] = value.split(".");
    const wrong = [
      "",
      ".",
      "..",
      value.slice(1),
      `${value}x`,
      `${id}.${secret}`,
      `${id}.${secret}.${mac}.${mac}`,
      `${newId()}.${secret}.${mac}`,
      `${id}.${newSecret().toString("base64url")}.${mac}`,
      `${id}.${secret}.${"A".repeat(22)}`,
      rememberCookieValue({ id, generation: 0, token: cookie.secret }, keys),
      sessionCookieValue(cookie, new KeyRing([OLDER_KEY])),
      "x".repeat(16_000),
    ];
    for (const text of wrong) expect(read(`${SESSION}=${text}`).kind, text.slice(0, 80)).toBe("malformed");
  });

  test("no input at all makes reading throw", () => {
    const parts = fc.constantFrom(SESSION, value, "=", ";", ".", " ", "\t", '"', "%", "\0", "__proto__");
    const header = fc.array(fc.oneof(parts, fc.string(), fc.string({ unit: "binary" })), { maxLength: 20 });
    fc.assert(
      fc.property(header, (texts) => {
        const { kind } = read(texts.join(""));
        return ["absent", "malformed", "duplicate", "valid"].includes(kind);
      }),
      { numRuns: 5000 },
    );
  });

  test("nobody forges a cookie by changing one character", () => {
    const position = fc.integer({ min: 0, max: value.length - 1 });
    const character = fc.constantFrom(..."ABCabc019-_.");
    fc.assert(
      fc.property(position, character, (at, to) => {
        const text = value.slice(0, at) + to + value.slice(at + 1);
        return text === value || read(`${SESSION}=${text}`).kind === "malformed";
      }),
      { numRuns: 2000 },
    );
  });

  test("a valid cookie is valid in one spelling only, whatever its last spare bits are", () => {
    expect(read(`${SESSION}=${value}`).kind).toBe("valid");
    const at = value.lastIndexOf(".") - 1;
    const others = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"];
    for (const character of others.filter((one) => one !== value[at])) {
      const text = value.slice(0, at) + character + value.slice(at + 1);
      expect(read(`${SESSION}=${text}`).kind, character).toBe("malformed");
    }
  });

  test("a header of 16 KiB or of 2000 cookies is read in one pass", () => {
    expect(cookieValues(`${"x".repeat(16_384)}; a=1`, "a")).toEqual(["1"]);
    expect(cookieValues(Array.from({ length: 2000 }, (_, i) => `c${i}=1`).join(";"), "c1999")).toEqual(["1"]);
    const find = String.prototype.indexOf;
    let read = 0;
    const spy = vi.spyOn(String.prototype, "indexOf").mockImplementation(function (
      this: string,
      sought,
      from = 0,
    ) {
      const found = find.call(this, sought, from);
      read += (found === -1 ? this.length : found) - from;
      return found;
    });
    try {
      for (const piece of [";", "a", "a;", ";a", "=", "b=;", "a "]) {
        const header = piece.repeat(65_536 / piece.length);
        read = 0;
        expect(cookieValues(`${header}; a`, "a"), piece).toEqual([]);
        expect(read, `characters that were looked at for ${piece}`).toBeLessThan(3 * 65_536);
      }
    } finally {
      spy.mockRestore();
    }
  });
});

describe("writing", () => {
  test("a Max-Age beyond what browsers keep is shortened to 400 days", () => {
    const line = serializeCookie({ definition, value: "v", maxAgeSeconds: 99_999_999 });
    expect(line).toContain("Max-Age=34560000;");
  });

  test("an oversized cookie is an error, not half a cookie", () => {
    const oversized = { definition, value: "x".repeat(4096), maxAgeSeconds: undefined };
    expect(() => serializeCookie(oversized)).toThrow(expect.objectContaining({ code: "cookie_too_large" }));
    const path = `/${"x".repeat(1024)}`;
    const long = { definition: { ...definition, path }, value: "v", maxAgeSeconds: undefined };
    expect(() => serializeCookie(long)).toThrow(expect.objectContaining({ code: "cookie_too_large" }));
  });

  test("a value cannot smuggle in an attribute", () => {
    for (const value of ["x; Domain=evil.example", "x\r\nSet-Cookie: a=b", "x,y z"]) {
      const line = serializeCookie({ definition, value, maxAgeSeconds: undefined });
      expect(line.split(";")).toHaveLength(5);
      expect(line).not.toMatch(/[\r\n]/);
    }
  });
});
