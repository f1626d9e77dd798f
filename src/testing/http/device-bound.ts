import assert from "node:assert/strict";
import type { Answer, Visitor } from "./client.ts";
import type { CaseOptions, HttpCases, HttpFixture } from "./fixture.ts";
import { BindingBrowser, boundIn, challengeIn, KeyHolder, offerIn } from "./key-holder.ts";

const MINUTE = 60_000;
const DAY = 86_400_000;
const ORIGIN = "https://shop.example";
const COOKIE = "__Host-psession-bound";
/** As browsers send them by way of a proxy that is trusted. */
const HTTPS = { "x-forwarded-proto": "https", "x-forwarded-host": "shop.example" };
const OPTIONS = { secure: true, trustProxy: true, deviceBound: { path: "/keys" } } satisfies CaseOptions;
const PAGE = {
  "sec-fetch-mode": "navigate",
  "sec-fetch-dest": "document",
  accept: "text/html,application/xhtml+xml",
};
const SCRIPT = { "sec-fetch-mode": "cors", "sec-fetch-dest": "empty", "sec-fetch-site": "same-origin" };

const browserOf = (visitor: Visitor, keys?: KeyHolder) => new BindingBrowser(visitor, HTTPS, keys);

/** Ada, signed in, in a browser that has bound her session. */
async function bound(fixture: HttpFixture, remember?: "remember", keys?: KeyHolder) {
  const browser = browserOf(fixture.visitor(), keys);
  const signedIn = await browser.post(remember === undefined ? "/login" : "/login?remember");
  const answer = await browser.register(signedIn);
  const session = boundIn(answer);
  await browser.get("/read");
  // What was on its way before that is still served without the short cookie.
  fixture.wait(2 * MINUTE);
  return { browser, session, signedIn, answer };
}

/** Where on this site an answer leads to; some frameworks write whole addresses. */
function placeIn({ headers }: Answer): string {
  const { origin, pathname, search } = new URL(String(headers.location), ORIGIN);
  assert.equal(origin, ORIGIN);
  return pathname + search;
}

const userOf = ({ status, text }: Answer): string | null | number =>
  status === 200 ? JSON.parse(text).userId : status;

/** Without the short cookie, as after its time: the browser's own clock drops it. */
const withoutProof = ({ visitor }: BindingBrowser): void => void visitor.jar.delete(COOKIE);

/** A copy of the long cookies in another browser. */
function thiefOf({ visitor }: BindingBrowser, fixture: HttpFixture, which: "long" | "all" = "long") {
  const thief = browserOf(fixture.visitor());
  for (const [name, value] of visitor.jar)
    if (which === "all" || name !== COOKIE) thief.visitor.jar.set(name, value);
  return thief;
}

export const deviceBound: HttpCases = {
  "a sign-in asks the browser for a key, once, and no other answer does": {
    ...OPTIONS,
    run: async (fixture) => {
      const browser = browserOf(fixture.visitor());
      for (const path of ["/read", "/add"]) assert.equal(offerIn(await browser.get(path)), undefined);
      const answer = await browser.post("/login");
      assert.equal(offerIn(answer)?.path, "/keys/register");
      assert.equal(answer.headers["cache-control"], "no-store");
      for (const path of ["/read", "/add", "/regenerate"])
        assert.equal(offerIn(await browser.get(path)), undefined, path);
    },
  },

  "a registered key binds the session, and tells the browser what it must know": {
    ...OPTIONS,
    run: async (fixture) => {
      for (const alg of ["ES256", "RS256"] as const) {
        const { browser, session, answer } = await bound(fixture, undefined, new KeyHolder(alg));
        const [line = "", ...others] = answer.setCookie;
        assert.equal(others.length, 0);
        const [pair, ...attributes] = line.split("; ");
        assert.match(String(pair), /^__Host-psession-bound=./);
        assert.equal(attributes[0], "Max-Age=600");
        assert.equal(answer.headers["cache-control"], "no-store");
        assert.match(String(answer.headers["content-type"]), /^application\/json/);
        assert.equal(answer.headers["secure-session-challenge"], undefined);
        assert.deepEqual(JSON.parse(answer.text), {
          session_identifier: session.id,
          refresh_url: "/keys/refresh",
          scope: { origin: ORIGIN, include_site: false, scope_specification: [] },
          credentials: [{ type: "cookie", name: COOKIE, attributes: attributes.slice(1).join("; ") }],
        });
        const seen = JSON.parse((await browser.get("/read")).text);
        assert.deepEqual([seen.userId, seen.level], ["ada", "device-bound"]);
        const [device] = await fixture.psession.devices("ada");
        assert.equal(device?.level, "device-bound");
        assert.match((await browser.get("/devices-page")).text, /Against copied cookies, since/);
        await browser.post("/logout");
      }
    },
  },

  "a proof may be written as a string or bare": {
    ...OPTIONS,
    run: async (fixture) => {
      const browser = browserOf(fixture.visitor());
      const session = boundIn(await browser.register(await browser.post("/login"), { isQuoted: true }));
      const challenge = challengeIn(await browser.refresh(session))?.challenge;
      assert.equal((await browser.refresh(session, challenge, { isQuoted: true })).status, 200);
    },
  },

  "the long cookie alone is nobody's, and opens nothing but the endpoints": {
    ...OPTIONS,
    run: async (fixture) => {
      for (const remember of [undefined, "remember"] as const) {
        const { browser } = await bound(fixture, remember);
        const thief = thiefOf(browser, fixture);
        const refusals: unknown[] = [];
        const stop = fixture.psession.on(
          "boundRefused",
          ({ why, userId }) => void refusals.push([why, userId]),
        );
        assert.equal(userOf(await thief.get("/read")), null);
        assert.equal(userOf(await thief.post("/read")), null);
        stop();
        assert.deepEqual(
          refusals,
          Array.from({ length: 2 }, () => ["unproved", "ada"]),
        );
        const refused = await thief.get("/read", SCRIPT);
        assert.deepEqual([refused.status, JSON.parse(refused.text).error.code], [401, "key_proof_required"]);
        assert.deepEqual([refused.headers["cache-control"], refused.setCookie], ["no-store", []]);
        assert.equal((await thief.get("/members", SCRIPT)).status, 401);
        // Neither accused nor signed out.
        assert.equal(userOf(await browser.get("/read")), "ada");
        // Nor once all of it has closed the browser, and comes by the remember cookie.
        thief.visitor.restart();
        assert.equal(userOf(await thief.get("/read")), null);
        assert.equal(userOf(await browser.get("/read")), "ada");
        await browser.post("/logout");
      }
    },
  },

  "a page that another site leads to is asked for again by this one": {
    ...OPTIONS,
    run: async (fixture) => {
      const { browser } = await bound(fixture);
      withoutProof(browser);
      for (const site of ["cross-site", "none", "same-site"]) {
        const { status, headers, text, setCookie } = await browser.get("/read", {
          ...PAGE,
          "sec-fetch-site": site,
        });
        assert.deepEqual([status, headers["cache-control"], setCookie], [401, "no-store", []]);
        assert.match(text, /data-way="\/keys\/again\?to="/);
      }
      const back = await browser.get("/keys/again?to=%2Fread%3Fa%3Db", {
        ...PAGE,
        "sec-fetch-site": "same-origin",
      });
      assert.deepEqual([back.status, placeIn(back)], [307, "/read?a=b"]);
      const without = { ...PAGE, "sec-fetch-site": "cross-site" };
      assert.equal((await browser.get("/keys/again?to=%2Fread", without)).status, 401);
      // Else it would go on for ever where a cookie of that name cannot be taken away.
      browser.visitor.jar.set(COOKIE, { value: "x", isTransient: true });
      const kept = await browser.get("/keys/again?to=%2Fread", { ...PAGE, "sec-fetch-site": "same-origin" });
      assert.equal(kept.status, 401);
      // A second time the browser could not prove it: the page is nobody's, and the cookies stay.
      const again = await browser.get("/read", { ...PAGE, "sec-fetch-site": "same-origin" });
      assert.deepEqual([userOf(again), again.setCookie], [null, []]);
    },
  },

  "a proof that counts no more is taken away, so that the browser makes another": {
    ...OPTIONS,
    run: async (fixture) => {
      const { browser, session } = await bound(fixture);
      for (const kind of [{ ...PAGE, "sec-fetch-site": "same-origin" }, SCRIPT]) {
        fixture.wait(11 * MINUTE);
        const answer = await browser.get("/read", kind);
        assert.equal(answer.status, 401);
        assert.ok(!browser.visitor.jar.has(COOKIE));
        const challenge = challengeIn(await browser.refresh(session))?.challenge;
        assert.equal((await browser.refresh(session, challenge)).status, 200);
        assert.equal(userOf(await browser.get("/read", kind)), "ada");
      }
    },
  },

  "a browser that has lost its key signs in anew, and binds that session": {
    ...OPTIONS,
    run: async (fixture) => {
      const { browser, session } = await bound(fixture, "remember");
      withoutProof(browser);
      const anew = browserOf(browser.visitor);
      const answer = await anew.post("/login", SCRIPT);
      assert.equal(answer.status, 303);
      const next = boundIn(await anew.register(answer));
      assert.notEqual(next.id, session.id);
      await anew.get("/read");
      fixture.wait(2 * MINUTE);
      assert.equal(JSON.parse((await anew.get("/read")).text).level, "device-bound");
      // What the browser kept of the session before is told that it is over.
      const over = await anew.refresh(session);
      assert.deepEqual(JSON.parse(over.text), { session_identifier: session.id, continue: false });
      assert.equal(JSON.parse((await anew.get("/read")).text).level, "device-bound");
    },
  },

  "a refresh is challenged, and a proof gives another cookie and the next challenge": {
    ...OPTIONS,
    run: async (fixture) => {
      const { browser, session } = await bound(fixture);
      const refusals: string[] = [];
      fixture.psession.on("boundRefused", ({ why }) => void refusals.push(why));
      withoutProof(browser);
      const first = await browser.refresh(session);
      assert.deepEqual(
        [first.status, first.setCookie, first.headers["cache-control"]],
        [403, [], "no-store"],
      );
      const { challenge = "", id } = challengeIn(first) ?? {};
      assert.equal(id, session.id);
      const values = new Set<string>();
      let next = challenge;
      for (let round = 0; round < 3; round++) {
        const answer = await browser.refresh(session, next);
        assert.equal(boundIn(answer).id, session.id);
        values.add(browser.visitor.jar.get(COOKIE)?.value ?? "");
        next = challengeIn(answer)?.challenge ?? "";
        assert.equal(userOf(await browser.get("/read")), "ada");
      }
      assert.equal(values.size, 3);
      // In one phase: what came with the last answer was not asked for again.
      fixture.wait(11 * MINUTE);
      assert.equal((await browser.refresh(session, next)).status, 200);
      assert.deepEqual(refusals, [], "what is about the key itself is no use of its session");
    },
  },

  "a proof counts until its own end, though a newer one was made": {
    ...OPTIONS,
    run: async (fixture) => {
      const { browser, session } = await bound(fixture);
      const before = browser.visitor.cookie;
      fixture.wait(6 * MINUTE);
      const challenge = challengeIn(await browser.refresh(session))?.challenge;
      await browser.refresh(session, challenge);
      assert.notEqual(browser.visitor.cookie, before);
      const by = async (cookie: string) =>
        userOf(await browser.visitor.get("/read", { headers: HTTPS, cookie }));
      assert.equal(await by(before), "ada");
      fixture.wait(3 * MINUTE);
      assert.deepEqual([await by(before), await by(browser.visitor.cookie)], [null, "ada"]);
    },
  },

  "a copy of all cookies is worth nothing once its proof has run out": {
    ...OPTIONS,
    run: async (fixture) => {
      const { browser, session } = await bound(fixture, "remember");
      const thief = thiefOf(browser, fixture, "all");
      assert.equal(userOf(await thief.get("/read")), "ada");
      fixture.wait(11 * MINUTE);
      assert.equal(userOf(await thief.get("/read")), null);
      // The thief has no key to answer with, and learns a challenge at most.
      const challenge = challengeIn(await thief.refresh(session))?.challenge;
      assert.ok(challenge);
      withoutProof(browser);
      assert.equal((await browser.refresh(session, challenge)).status, 200);
      assert.equal(userOf(await browser.get("/read")), "ada");
    },
  },

  "whoever copied the cookie of a browser without a key cannot register one": {
    ...OPTIONS,
    run: async (fixture) => {
      const ada = browserOf(fixture.visitor());
      const signedIn = await ada.post("/login");
      const thief = thiefOf(ada, fixture);
      const offered = { ...signedIn, headers: { ...signedIn.headers } };
      for (const challenge of ["", "x", "1.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA"]) {
        offered.headers["secure-session-registration"] =
          `(ES256 RS256);path="/keys/register";challenge="${challenge || "-"}"`;
        assert.equal((await thief.register(offered)).status, 403);
      }
      assert.equal((await thief.post("/keys/register")).status, 403);
      fixture.wait(5 * MINUTE);
      // Nor by the right challenge, later than a browser takes.
      assert.equal((await ada.register(signedIn)).status, 403);
      assert.deepEqual([userOf(await ada.get("/read")), userOf(await thief.get("/read"))], ["ada", "ada"]);
    },
  },

  "a registration counts once: another key for the same challenge is refused, the same one is told again": {
    ...OPTIONS,
    run: async (fixture) => {
      for (const remember of ["", "?remember"]) {
        const ada = browserOf(fixture.visitor());
        const signedIn = await ada.post(`/login${remember}`);
        const other = browserOf(ada.visitor);
        const answers = await Promise.all([ada.register(signedIn), other.register(signedIn)]);
        assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 403]);
        const [winner, loser] = answers[0].status === 200 ? [ada, other] : [other, ada];
        const again = await winner.register(signedIn);
        const won = answers.find(({ status }) => status === 200);
        assert.equal(boundIn(again).id, won && boundIn(won).id);
        assert.equal((await loser.register(signedIn)).status, 403);
        await winner.get("/read");
        fixture.wait(2 * MINUTE);
        assert.equal(JSON.parse((await winner.get("/read")).text).level, "device-bound");
        await winner.post("/logout");
      }
    },
  },

  "a browser that never got the answer to its registration goes on as before, and so does one whose page came first":
    {
      ...OPTIONS,
      run: async (fixture) => {
        for (const remember of ["", "?remember"]) {
          const browser = browserOf(fixture.visitor());
          const signedIn = await browser.post(`/login${remember}`);
          const before = browser.visitor.cookie;
          assert.equal((await browser.register(signedIn)).status, 200);
          const lost = async () =>
            userOf(await browser.visitor.get("/read", { headers: HTTPS, cookie: before }));
          withoutProof(browser);
          fixture.wait(30 * MINUTE);
          const late = await browser.get("/read");
          assert.deepEqual([userOf(late), await lost()], ["ada", "ada"]);
          await browser.post("/logout");
        }
      },
    },

  "a registration that comes after the sign-out binds nothing": {
    ...OPTIONS,
    run: async (fixture) => {
      const ada = browserOf(fixture.visitor());
      const signedIn = await ada.post("/login?remember");
      const before = ada.visitor.cookie;
      await ada.post("/logout");
      const { challenge = "" } = offerIn(signedIn) ?? {};
      const proof = ada.keys.proof(challenge, {}, true);
      const answer = await ada.post("/keys/register", { "secure-session-response": proof }, before);
      assert.deepEqual([answer.status, answer.setCookie], [403, []]);
      // Nor does it bind the next one, which has a challenge of its own.
      const next = await ada.post("/login");
      assert.equal((await ada.post("/keys/register", { "secure-session-response": proof })).status, 403);
      assert.equal((await ada.register(next)).status, 200);
    },
  },

  "what is no proof of a key registers none": {
    ...OPTIONS,
    run: async (fixture) => {
      const ada = browserOf(fixture.visitor());
      const signedIn = await ada.post("/login");
      const { challenge = "" } = offerIn(signedIn) ?? {};
      const made = (alg: string, jwk: object = ada.keys.jwk) => ({ alg, jwk });
      const other = new KeyHolder();
      const wrong = [
        made("none"),
        made("HS256"),
        made("ES384"),
        made("ES256", ada.keys.privateJwk),
        made("ES256", { ...ada.keys.jwk, alg: "RS256" }),
        made("ES256", { kty: "oct", k: "c2VjcmV0" }),
        made("RS256"),
        { by: other },
        { jwk: other.jwk },
        { typ: "JWT" },
        { claims: { jti: 1 } },
        { claims: { padding: "x".repeat(9000) } },
      ];
      for (const one of wrong) {
        const answer = await ada.register(signedIn, one);
        assert.deepEqual([answer.status, answer.setCookie], [403, []], JSON.stringify(one).slice(0, 99));
      }
      for (const proof of ["", "x", "x.y.z", ada.keys.proof(challenge, {}, false)])
        assert.equal((await ada.post("/keys/register", { "secure-session-response": proof })).status, 403);
      assert.equal((await ada.register(signedIn)).status, 200);
    },
  },

  "a proof over an older challenge is a race: the browser is challenged again, and nothing ends": {
    ...OPTIONS,
    run: async (fixture) => {
      const { browser, session } = await bound(fixture);
      const first = challengeIn(await browser.refresh(session))?.challenge ?? "";
      const second = challengeIn(await browser.refresh(session, first))?.challenge ?? "";
      // The answer was lost, or two tabs came at once: the same proof is answered as before.
      const repeated = await browser.refresh(session, first);
      assert.deepEqual([repeated.status, challengeIn(repeated)?.challenge], [200, second]);
      const third = challengeIn(await browser.refresh(session, second))?.challenge ?? "";
      for (const stale of [first, "never-given", ""]) {
        const answer = await browser.refresh(session, stale);
        assert.deepEqual([answer.status, answer.setCookie], [403, []]);
        assert.equal(challengeIn(answer)?.challenge, third);
      }
      assert.equal((await browser.refresh(session, third)).status, 200);
      assert.equal(userOf(await browser.get("/read")), "ada");
    },
  },

  "ten refreshes at once of one browser all succeed": {
    ...OPTIONS,
    run: async (fixture) => {
      const { browser, session } = await bound(fixture);
      const challenge = challengeIn(await browser.refresh(session))?.challenge;
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => browser.refresh(session, challenge)),
      );
      assert.deepEqual(
        answers.map(({ status }) => status),
        answers.map(() => 200),
      );
      assert.equal(new Set(answers.map((answer) => challengeIn(answer)?.challenge)).size, 1);
    },
  },

  "what is no proof at all ends nothing, and the signature of another key with the long cookie ends the device":
    {
      ...OPTIONS,
      run: async (fixture) => {
        const { browser, session } = await bound(fixture, "remember");
        const challenge = challengeIn(await browser.refresh(session))?.challenge ?? "";
        for (const made of [{ alg: "none" }, { alg: "HS256" }, { typ: "JWT" }, { claims: { jti: 1 } }])
          assert.equal((await browser.refresh(session, challenge, made)).status, 403);
        for (const proof of ["", "x.y.z", "x".repeat(9000)])
          assert.equal(
            (await browser.post(session.refreshUrl, { "secure-session-response": proof })).status,
            403,
          );
        assert.equal(userOf(await browser.get("/read")), "ada");
        const thefts: unknown[] = [];
        fixture.psession.on("theft", (event) => void thefts.push([event.userId, event.by]));
        // Without the cookie it is a way to sign others out.
        const proof = new KeyHolder().proof(challenge, {}, false);
        await fixture.visitor().post(session.refreshUrl, {
          headers: { ...HTTPS, "sec-secure-session-id": session.id, "secure-session-response": proof },
        });
        assert.deepEqual([userOf(await browser.get("/read")), thefts], ["ada", []]);
        const thief = thiefOf(browser, fixture);
        const answer = await thief.refresh(session, challenge);
        assert.deepEqual(JSON.parse(answer.text), { session_identifier: session.id, continue: false });
        assert.deepEqual(thefts, [["ada", "proof"]]);
        assert.equal(userOf(await browser.get("/read")), null);
        assert.deepEqual(await fixture.psession.devices("ada"), []);
      },
    },

  "a closed browser comes back by its remembered login and a proof": {
    ...OPTIONS,
    run: async (fixture) => {
      const { browser, session } = await bound(fixture, "remember");
      fixture.wait(3 * DAY);
      browser.visitor.restart();
      withoutProof(browser);
      assert.equal(userOf(await browser.get("/read")), null);
      const challenge = challengeIn(await browser.refresh(session))?.challenge;
      assert.equal((await browser.refresh(session, challenge)).status, 200);
      const { userId, level } = JSON.parse((await browser.get("/read")).text);
      assert.deepEqual([userId, level], ["ada", "remembered"]);
      assert.deepEqual((await fixture.psession.devices("ada")).length, 1);
    },
  },

  "a signed-out session is over for the browser, and so is one that was ended elsewhere": {
    ...OPTIONS,
    run: async (fixture) => {
      for (const end of ["/logout", "revoke"]) {
        const { browser, session } = await bound(fixture, "remember");
        const { cookie } = browser.visitor;
        if (end === "revoke") await fixture.psession.revokeUser("ada");
        else await browser.post(end);
        fixture.wait(MINUTE);
        const answer = await browser.post(
          session.refreshUrl,
          { "sec-secure-session-id": session.id },
          cookie,
        );
        assert.equal(answer.status, 200);
        assert.deepEqual(JSON.parse(answer.text), { session_identifier: session.id, continue: false });
        assert.equal(userOf(await browser.visitor.get("/read", { headers: HTTPS, cookie })), null);
      }
    },
  },

  "while the store is down nobody's key or session is given up": {
    ...OPTIONS,
    run: async (fixture) => {
      const { browser, session } = await bound(fixture);
      withoutProof(browser);
      const challenge = challengeIn(await browser.refresh(session))?.challenge;
      fixture.fail("findSession");
      const answer = await browser.refresh(session, challenge);
      assert.deepEqual([answer.status, answer.setCookie], [503, []]);
      fixture.recover();
      assert.equal((await browser.refresh(session, challenge)).status, 200);
      assert.equal(userOf(await browser.get("/read")), "ada");
    },
  },

  "requireLevel asks for a bound session, and requireKeyProof for a proof of this minute": {
    ...OPTIONS,
    run: async (fixture) => {
      const plain = browserOf(fixture.visitor());
      await plain.post("/login");
      assert.deepEqual(
        [(await plain.get("/bound")).status, (await plain.get("/proved-now")).status],
        [403, 403],
      );
      const { browser, session } = await bound(fixture);
      assert.deepEqual(
        [(await browser.get("/bound")).status, (await browser.get("/proved")).status],
        [200, 200],
      );
      for (const method of ["GET", "POST"]) {
        fixture.wait(2 * MINUTE);
        const send = () => browser.visitor.get("/proved-now?a=b", { method, headers: HTTPS });
        const asked = await send();
        assert.deepEqual([asked.status, placeIn(asked)], [307, "/proved-now?a=b"]);
        assert.equal(asked.headers["cache-control"], "no-store");
        assert.ok(!browser.visitor.jar.has(COOKIE), "the browser refreshes, as the cookie is gone");
        const challenge = challengeIn(await browser.refresh(session))?.challenge;
        await browser.refresh(session, challenge);
        assert.equal((await send()).status, 200);
      }
    },
  },

  "a page that can set no cookie leads to where the key is proved on the way back, and to no other site": {
    ...OPTIONS,
    run: async (fixture) => {
      const { browser, session } = await bound(fixture);
      const prove = (to: string, headers = {}) =>
        browser.get(`/keys/prove?to=${encodeURIComponent(to)}`, headers);
      fixture.wait(2 * MINUTE);
      const image = { "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" };
      const frame = { "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" };
      for (const kind of [image, frame])
        for (const site of ["cross-site", "same-site"]) {
          const foreign = { ...kind, "sec-fetch-site": site };
          assert.equal((await prove("/proved-now", foreign)).status, 403);
          assert.equal((await browser.get("/proved-now", foreign)).status, 403);
          assert.ok(browser.visitor.jar.has(COOKIE), "what another site embeds uses up no proof");
        }
      const asked = await prove("/proved-now?a=b", SCRIPT);
      assert.deepEqual([asked.status, placeIn(asked)], [307, "/proved-now?a=b"]);
      assert.equal(asked.headers["cache-control"], "no-store");
      assert.ok(!browser.visitor.jar.has(COOKIE), "the browser refreshes, as the cookie is gone");
      await browser.refresh(session, challengeIn(await browser.refresh(session))?.challenge);
      assert.equal((await browser.get("/proved-now?a=b")).status, 200);
      for (const to of [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "",
      ]) {
        assert.match(placeIn(await prove(to)), /^\/(?![\\/])/, to);
      }
      const nobody = browserOf(fixture.visitor());
      await nobody.get("/add");
      const { status, setCookie } = await nobody.get("/keys/prove?to=%2Fread");
      assert.deepEqual([status, setCookie], [307, []]);
      assert.equal((await browser.post("/keys/prove")).status, 405);
    },
  },

  "while the store is down, a page without its proof goes to its handler": {
    ...OPTIONS,
    run: async (fixture) => {
      const { browser } = await bound(fixture);
      withoutProof(browser);
      fixture.fail("findSession");
      const { status, setCookie } = await browser.get("/read", { ...PAGE, "sec-fetch-site": "none" });
      assert.deepEqual([status, setCookie], [503, []]);
      fixture.recover();
    },
  },

  "a request of a bound session costs one read, and so does one without the option": {
    ...OPTIONS,
    run: async (fixture) => {
      const { browser } = await bound(fixture);
      fixture.calls.length = 0;
      await browser.get("/read");
      assert.deepEqual(
        fixture.calls.filter((name) => name !== "touch"),
        ["findSession"],
      );
      const nobody = browserOf(fixture.visitor());
      fixture.calls.length = 0;
      await nobody.get("/read");
      assert.deepEqual(fixture.calls, []);
    },
  },

  "without the option there are no endpoints, and a session that was bound is served": {
    secure: true,
    trustProxy: true,
    run: async (fixture) => {
      const browser = browserOf(fixture.visitor());
      assert.equal(offerIn(await browser.post("/login")), undefined);
      assert.equal((await browser.post("/device-bound/register")).status, 404);
      assert.equal(userOf(await browser.get("/read")), "ada");
    },
  },
};
