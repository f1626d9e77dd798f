import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { sign as signAsTheyDo, unsign as unsignAsTheyDo } from "cookie-signature";
import { rolldown } from "rolldown";
import { describe, expect, test } from "vitest";
import { Encryption } from "../src/data/encryption.ts";
import {
  readRememberCookie,
  readSessionCookie,
  rememberCookieValue,
  sessionCookieValue,
} from "../src/http/cookies.ts";
import { isTokenOf, maskedToken, newCsrfSecret } from "../src/http/csrf.ts";
import { memoryStore } from "../src/index.ts";
import { presentedIn, signed } from "../src/integrations/express-session/signature.ts";
import { resolveOptions } from "../src/options/resolve.ts";
import { KeyRing, newId, newSalt, newSecret } from "../src/protocol/secrets.ts";
import { KEY, OLDER_KEY } from "./support/app.ts";
import { ROOT } from "./support/shop.ts";
import { temporaryFolder } from "./support/temp.ts";

const keys = new KeyRing([KEY]);

/** The slab that small Buffers come from now, as whoever has one of them sees it. */
const slab = (): Buffer => Buffer.from(Buffer.allocUnsafe(1).buffer);

/** What `work` gives and leaves in the slab, as it is or decoded. */
function inSlab(work: () => Iterable<string | Uint8Array>): string[] {
  const before = slab();
  const secrets = [...work()];
  const memories = [before, slab()];
  return secrets.flatMap((secret) => {
    const raw = Buffer.alloc(Buffer.byteLength(secret as string), secret as string);
    const forms = [raw, ...(typeof secret === "string" ? [decoded(secret)] : [])];
    const isThere = forms.some(
      (form) => form.length >= 8 && memories.some((memory) => memory.includes(form)),
    );
    return isThere ? [raw.toString("latin1")] : [];
  });
}

const newKey = (): string => randomBytes(32).toString("base64url");

function decoded(text: string): Buffer {
  const bytes = Buffer.alloc(Buffer.byteLength(text, "base64url"));
  bytes.write(text, "base64url");
  return bytes;
}

describe("secrets are in memory of their own", () => {
  const session = { id: newId(), secret: newSecret() };
  const remember = { id: newId(), generation: 3, token: newSecret() };

  test("whatever they are and wherever they come from", () => {
    const read = readSessionCookie(`s=${sessionCookieValue(session, keys)}`, "s", keys);
    const came = readRememberCookie(`r=${rememberCookieValue(remember, keys)}`, "r", keys);
    const from = { id: newId(), generation: 3, salt: newSalt() };
    const all = {
      drawn: newSecret(),
      session: read.kind === "valid" && read.cookie.secret,
      remember: came.kind === "valid" && came.cookie.token,
      derived: keys.derive("remember", remember.token, from),
      derivedSession: keys.derive("session", remember.token, from),
    };
    for (const [kind, secret] of Object.entries(all)) {
      if (!(secret instanceof Uint8Array)) throw new Error(kind);
      expect([kind, secret.length, secret.buffer.byteLength]).toEqual([kind, 32, 32]);
    }
  });

  test("and none of them is in Node's slab", () => {
    // The way it must not be done, so that the test can see it.
    expect(inSlab(() => [Buffer.from(newKey(), "base64url")])).toHaveLength(1);
    const found = {
      keys: inSlab(() => {
        const [one, two, three, bytes] = [newKey(), newKey(), newKey(), randomBytes(32)];
        resolveOptions({ store: memoryStore(), keys: [one, two, bytes], encryption: { keys: [three] } });
        return [one, two, three, bytes];
      }),
      drawn: inSlab(function* () {
        for (let count = 0; count < 20; count++) yield newSecret();
      }),
      cookies: inSlab(() => {
        const values = [sessionCookieValue(session, keys), rememberCookieValue(remember, keys)];
        readSessionCookie(`s=${values[0]}`, "s", keys);
        readRememberCookie(`r=${values[1]}`, "r", keys);
        return [session.secret, remember.token, ...values];
      }),
      derived: inSlab(() => {
        const from = { id: newId(), generation: 3, salt: newSalt() };
        const token = newSecret();
        return [token, keys.derive("remember", token, from) ?? "", keys.derive("session", token, from) ?? ""];
      }),
      csrf: inSlab(() => {
        const secret = newCsrfSecret();
        const token = maskedToken(secret);
        expect(isTokenOf(secret, token)).toBe(true);
        const masked = decoded(token);
        return [secret, token, masked.subarray(0, 32), masked.subarray(32)];
      }),
      encrypted: inSlab(() => {
        const key = newKey();
        const encryption = new Encryption([key], false);
        const text = JSON.stringify({ "psession.csrf": newCsrfSecret() });
        expect(
          encryption.decrypt(encryption.encrypt(text, { id: "id", userId: 7 }), { id: "id", userId: 7 }),
        ).toBe(text);
        return [text, key];
      }),
      "express-session": inSlab(() => {
        const [secrets, id] = [[newKey(), newKey()], newKey()];
        const value = signed(id, secrets);
        expect(presentedIn({ headers: { cookie: `c=${value}` } } as never, "c", secrets)?.id).toBe(id);
        return [...secrets, id, value.split(".")[1] ?? ""];
      }),
    };
    expect(found).toEqual(Object.fromEntries(Object.keys(found).map((kind) => [kind, []])));
  });

  test("signatures of express-session's cookies are what they always were", () => {
    const secrets = [KEY, OLDER_KEY];
    const read = (value: string) =>
      presentedIn({ headers: { cookie: `c=s:${value}` } } as never, "c", secrets)?.id;
    for (const id of ["id", "with.dots.in.it", "ünïcode", "", "x".repeat(500)]) {
      expect(signed(id, secrets)).toBe(`s:${signAsTheyDo(id, KEY)}`);
      for (const key of secrets) expect(read(encodeURIComponent(signAsTheyDo(id, key)))).toBe(id);
      const wrong = [
        `${id}.`,
        id,
        `${id}.${"A".repeat(43)}`,
        signAsTheyDo(id, "another"),
        `${signAsTheyDo(id, KEY)}=`,
      ];
      for (const value of wrong) {
        expect(secrets.every((key) => unsignAsTheyDo(value, key) === false)).toBe(true);
        expect(read(encodeURIComponent(value))).toBeUndefined();
      }
    }
    const value = signAsTheyDo("id", KEY);
    const beyond = value.slice(0, -1) + String.fromCharCode(value.charCodeAt(value.length - 1) + 256);
    expect(read(encodeURIComponent(beyond))).toBeUndefined();
  });
});

/** One script, as snapshots take no modules. */
async function script(): Promise<string> {
  const entry = `
    import { startupSnapshot } from "node:v8";
    import { newId, newSecret } from "${join(ROOT, "src/protocol/secrets.ts")}";
    newSecret();
    startupSnapshot.setDeserializeMainFunction(() => {
      console.log(newSecret().toString("hex"), newId());
    });`;
  const bundle = await rolldown({
    input: "entry",
    platform: "node",
    external: /^node:/,
    plugins: [
      {
        name: "entry",
        resolveId: (id) => (id === "entry" ? id : undefined),
        load: (id) => (id === "entry" ? entry : undefined),
      },
    ],
  });
  const { output } = await bundle.generate({ format: "cjs", strict: true });
  return output[0].code;
}

test("processes that start from one snapshot draw secrets and ids of their own", async () => {
  const folder = temporaryFolder();
  const [file, blob] = [join(folder, "entry.cjs"), join(folder, "snapshot.blob")];
  writeFileSync(file, await script());
  execFileSync(process.execPath, ["--snapshot-blob", blob, "--build-snapshot", file], { stdio: "pipe" });
  const start = () => execFileSync(process.execPath, ["--snapshot-blob", blob], { encoding: "utf8" });
  const drawn = [start(), start(), start()].flatMap((line) => line.trim().split(" "));
  expect(drawn).toHaveLength(6);
  expect(new Set(drawn).size).toBe(6);
  expect(drawn.filter((value) => /^[0-9a-f]{64}$/.test(value))).toHaveLength(3);
});
