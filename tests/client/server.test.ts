import { createRequire } from "node:module";
import { expect, test, vi } from "vitest";
import { type SessionState, watchSession } from "../../src/client/index.ts";
import { useSession } from "../../src/client/react.ts";
import { stateOf } from "../../src/client/state.ts";
import { useSession as useStore } from "../../src/client/svelte.ts";

/** Without its types: they declare names of the DOM for all tests. */
const require = createRequire(import.meta.url);
const { createElement } = require("react");
const { renderToString } = require("react-dom/server");

const AT = "/account/devices/session";
const T0 = 1_000_000;
const ADA: SessionState = { ...stateOf({ level: "login", userId: "ada" }, T0), profile: { name: "Ada" } };

test("where pages are made on a server nothing is asked, and nothing is kept for the next visitor", () => {
  const fetch = vi.spyOn(globalThis, "fetch");
  const states: SessionState[] = [];
  watchSession(AT, { initial: ADA }).subscribe((state) => states.push(state))();
  useStore(AT).subscribe((state) => states.push(state))();
  expect(states).toMatchObject([{ userId: "ada" }, { status: "loading", userId: undefined }]);
  const Who = ({ initial }: { initial?: SessionState }) => {
    const { status, userId } = useSession(AT, { initial });
    return createElement("p", null, `${status} ${userId ?? "-"}`);
  };
  expect(renderToString(createElement(Who, { initial: ADA }))).toBe("<p>signedIn ada</p>");
  expect(renderToString(createElement(Who))).toBe("<p>loading -</p>");
  expect(fetch).not.toHaveBeenCalled();
  fetch.mockRestore();
});

test("React need not be the one that renders on a server, as in Next, which leaves psession out of its bundles", () => {
  // To the React of psession/react, nothing is rendering here: its hooks throw.
  expect(() => require("react").useState()).toThrow();
  expect(useSession(AT, { initial: ADA })).toMatchObject({ status: "signedIn", profile: { name: "Ada" } });
  expect(useSession(AT)).toMatchObject({ status: "loading", refresh: expect.any(Function) });
});

test.each([
  ["the idle end", { idle: 60, absolute: 100 }, 60, true],
  ["the absolute end", { idle: 100, absolute: 100 }, 100, false],
  ["that of the remembered login, if it is later", { idle: 60, absolute: 100, remembered: 500 }, 500, false],
  [
    "the idle end, if that is later than a remembered login's",
    { idle: 60, absolute: 100, remembered: 50 },
    60,
    true,
  ],
])("a user is signed out at %s, by the browser's clock", (_, ends, last, canExtend) => {
  const state = stateOf({ level: "login", userId: 7, endsAt: { ...ends, now: 10 } }, T0);
  expect(state).toMatchObject({ status: "signedIn", endsAt: T0 + last - 10, canExtend });
});

test("what is no answer of the endpoint is an error, and bad arguments are", () => {
  expect(() => stateOf({ error: "not here" }, T0)).toThrow("no answer of psession's endpoint");
  expect(() => watchSession("")).toThrow('such as "/account/devices/session"');
  expect(() => watchSession(AT, { every: 10 })).toThrow("at least 1000");
});
