import { createHmac, hkdfSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { digest, KeyRing, newId, newSalt, newSecret, sameDigest } from "../src/protocol/secrets.ts";
import { KEY, OLDER_KEY } from "./support/app.ts";

test("a hundred thousand ids and secrets are all different", () => {
  const seen = new Set<string>();
  for (let index = 0; index < 100_000; index++) seen.add(newId()).add(newSecret().toString("hex"));
  expect(seen.size).toBe(200_000);
  expect(newId()).toMatch(/^[A-Za-z0-9_-]{22}$/);
  expect(newSecret()).toHaveLength(32);
});

test("a secret is a copy of its own: neither later ones nor changes to others affect it", () => {
  const secret = newSecret();
  const before = secret.toString("hex");
  for (let index = 0; index < 1000; index++) newSecret().fill(7);
  expect(secret.toString("hex")).toBe(before);
  expect(newSecret()).not.toEqual(Buffer.alloc(32, 7));
});

test("digests compare by content and tolerate what is missing", () => {
  const secret = newSecret();
  expect(sameDigest(digest(secret), new Uint8Array(digest(secret)))).toBe(true);
  expect(sameDigest(digest(secret), digest(newSecret()))).toBe(false);
  expect(sameDigest(digest(secret), undefined)).toBe(false);
  expect(sameDigest(digest(secret), new Uint8Array(3))).toBe(false);
});

test("a MAC holds for its purpose, its text and the keys of the ring only", () => {
  const ring = new KeyRing([KEY]);
  const mac = ring.sign("session", "text");
  expect(ring.verify("session", "text", mac)).toBe(true);
  expect(ring.verify("remember", "text", mac)).toBe(false);
  expect(ring.verify("session", "other", mac)).toBe(false);
  expect(ring.verify("session", "text", (mac.startsWith("A") ? "B" : "A") + mac.slice(1))).toBe(false);
  expect(ring.verify("session", "text", "")).toBe(false);
  expect(new KeyRing([OLDER_KEY]).verify("session", "text", mac)).toBe(false);
  expect(new KeyRing([OLDER_KEY, KEY]).verify("session", "text", mac)).toBe(true);
  expect(new KeyRing([OLDER_KEY, KEY]).sign("session", "text")).not.toBe(mac);
});

test("the same predecessor leads to the same successor, and every ingredient counts", () => {
  const ring = new KeyRing([KEY]);
  const token = newSecret();
  const from = { id: newId(), generation: 3, salt: newSalt() };
  const successor = ring.derive("remember", token, from);
  expect(new KeyRing([OLDER_KEY, KEY]).derive("remember", token, from, ring.currentKeyId)).toEqual(successor);
  const others = [
    ring.derive("session", token, from),
    ring.derive("remember", newSecret(), from),
    ring.derive("remember", token, { ...from, id: newId() }),
    ring.derive("remember", token, { ...from, generation: 4 }),
    ring.derive("remember", token, { ...from, salt: newSalt() }),
    new KeyRing([OLDER_KEY]).derive("remember", token, from),
  ];
  const all = [successor, ...others].map((value) => value?.toString("hex"));
  expect(new Set(all).size).toBe(all.length);
  expect(ring.derive("remember", token, from, "unknown")).toBeUndefined();
});

test("a successor is what every version has made of the same ingredients", () => {
  const token = Buffer.alloc(32, 1);
  const salt = Buffer.alloc(16, 2);
  const id = "a".repeat(22);
  const of = (key: Uint8Array, ...parts: (string | Uint8Array)[]) =>
    parts.reduce((hmac, part) => hmac.update(part), createHmac("sha256", key)).digest();
  const successorKey = Buffer.from(hkdfSync("sha256", KEY, "psession", "psession/1/successor", 32));
  const generation = Buffer.from("0000000000000003", "hex");
  for (const purpose of ["remember", "session"] as const) {
    const expected = of(of(successorKey, token), purpose, "\0", id, generation, salt);
    expect(new KeyRing([KEY]).derive(purpose, token, { id, generation: 3, salt })).toEqual(expected);
  }
});

describe("cookies that came before", () => {
  const ring = () => new KeyRing([KEY]);
  const signedBy = (keys: KeyRing, head: string, secret: Buffer) => {
    const text = `${head}.${secret.toString("base64url")}`;
    return { head, secret, text, mac: keys.sign("session", text) };
  };

  test("are recognised by head, secret and MAC together: another one of the three is no better than before", () => {
    const keys = ring();
    const [secret, other] = [newSecret(), newSecret()];
    const cookie = signedBy(keys, "id", secret);
    for (const _ of ["first", "again"])
      expect(keys.digestIfSigned("session", cookie)).toEqual(digest(secret));
    const forged = [
      { ...cookie, head: "di", text: cookie.text.replace("id", "di") },
      { ...cookie, secret: other, text: `id.${other.toString("base64url")}` },
      { ...cookie, mac: signedBy(keys, "di", secret).mac },
    ];
    for (const one of forged) expect(keys.digestIfSigned("session", one)).toBeUndefined();
    expect(keys.digestIfSigned("remember", cookie)).toBeUndefined();
    expect(keys.digestIfSigned("session", cookie)).toEqual(digest(secret));
  });

  test("are forgotten when there are too many, and still fit", () => {
    const keys = ring();
    const cookies = Array.from({ length: 2100 }, (_, index) => signedBy(keys, `id ${index}`, newSecret()));
    for (const _ of ["first", "again"])
      for (const cookie of cookies)
        expect(keys.digestIfSigned("session", cookie)).toEqual(digest(cookie.secret));
  });
});
