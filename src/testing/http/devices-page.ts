import assert from "node:assert/strict";
import { ASKS_AGAIN } from "../../integration/devices-page/view.ts";
import type { Answer, Sending, Visitor } from "./client.ts";
import type { HttpCases, HttpFixture } from "./fixture.ts";

const PAGE = "/devices-page";
const HOUR = 3_600_000;
const HTML = { accept: "text/html,application/xhtml+xml" };
const FORM = { ...HTML, "content-type": "application/x-www-form-urlencoded" };

const show = (visitor: Visitor, query = ""): Promise<Answer> => visitor.get(PAGE + query, { headers: HTML });

const submit = (visitor: Visitor, fields: Record<string, string>, sending: Sending = {}): Promise<Answer> =>
  visitor.post(PAGE, {
    body: new URLSearchParams(fields).toString(),
    ...sending,
    headers: { ...FORM, ...sending.headers },
  });

const handlesIn = ({ text }: Answer): string[] => [
  ...new Set(Array.from(text.matchAll(/name="handle" value="([^"]*)"/g), ([, handle = ""]) => handle)),
];

const goesTo = ({ status, headers }: Answer) => [status, headers.location];

/** Two browsers of ada's, the first one used last. */
async function twoBrowsers({ member, wait }: HttpFixture): Promise<[Visitor, Visitor]> {
  const phone = await member("remember");
  wait(1000);
  return [await member("remember"), phone];
}

/** The user's devices as a page, for browsers without scripts. */
export const devicesPage: HttpCases = {
  "the page of devices is for its user, in HTML that no cache keeps, and sends others to the sign-in": async (
    fixture,
  ) => {
    const [laptop] = await twoBrowsers(fixture);
    const stranger = await show(fixture.visitor(), "?done=ended");
    assert.deepEqual(goesTo(stranger), [303, `/sign-in?next=${encodeURIComponent(PAGE)}`]);
    const { status, headers, text } = await show(laptop);
    assert.deepEqual([status, headers["cache-control"]], [200, "no-store"]);
    assert.match(String(headers["content-type"]), /^text\/html; *charset=utf-8$/i);
    assert.match(String(headers["content-security-policy"]), /default-src 'none'.*frame-ancestors 'none'/);
    assert.equal(text.match(/<li /g)?.length, 2);
    assert.equal(text.match(/ aria-current="true"/g)?.length, 1);
    assert.equal((await laptop.get(PAGE, { method: "HEAD" })).text, "");
    for (const { value } of laptop.jar.values()) assert.ok(!text.includes(value.split(".").at(-1) ?? ""));
  },

  "forms of the page of devices name one, end one, end the others, and end all": async (fixture) => {
    const { psession, member, wait } = fixture;
    const [laptop, phone] = await twoBrowsers(fixture);
    const [here = "", there = ""] = handlesIn(await show(laptop));
    assert.deepEqual(goesTo(await submit(laptop, { do: "name", handle: there, name: " Küche & Co " })), [
      303,
      "?done=named",
    ]);
    assert.match((await show(laptop, "?done=named")).text, /role="status".*The name was saved/);
    assert.deepEqual(
      (await psession.devices("ada")).map(({ name }) => name),
      [undefined, "Küche & Co"],
    );
    assert.deepEqual(goesTo(await submit(laptop, { do: "end", handle: there })), [303, "?done=ended"]);
    assert.deepEqual(goesTo(await submit(laptop, { do: "end", handle: there })), [303, "?done=gone"]);
    assert.equal((await phone.read()).userId, null);
    for (const _ of [1, 2]) await member();
    assert.deepEqual(goesTo(await submit(laptop, { do: "end-others" })), [303, "?done=others&count=2"]);
    assert.match((await show(laptop, "?done=others&count=2")).text, /2 other devices were signed out/);
    assert.deepEqual(handlesIn(await show(laptop)), [here]);
    await member();
    wait(1000);
    assert.deepEqual(goesTo(await submit(laptop, { do: "end-all" })), [303, "/"]);
    assert.deepEqual([await psession.devices("ada"), laptop.jar.size], [[], 0]);
  },

  "signing out here on the page of devices ends this browser's session and clears its cookies": async ({
    member,
    psession,
  }) => {
    const ada = await member("remember");
    const [handle = ""] = handlesIn(await show(ada));
    assert.deepEqual(goesTo(await submit(ada, { do: "end", handle })), [303, "/"]);
    assert.deepEqual([await psession.devices("ada"), ada.jar.size], [[], 0]);
  },

  "the page of devices ends no other device without a fresh proof, and comes back from it": async (
    fixture,
  ) => {
    const { psession, wait } = fixture;
    const [laptop] = await twoBrowsers(fixture);
    const [here = "", there = ""] = handlesIn(await show(laptop));
    wait(HOUR);
    const confirm = [303, `/confirm?next=${encodeURIComponent(PAGE)}`];
    for (const fields of [{ do: "end", handle: there }, { do: "end-others" }, { do: "end-all" }])
      assert.deepEqual(goesTo(await submit(laptop, fields)), confirm, fields.do);
    assert.equal((await psession.devices("ada")).length, 2);
    assert.equal((await submit(laptop, { do: "name", handle: there, name: "TV" })).status, 303);
    assert.deepEqual(goesTo(await submit(laptop, { do: "end", handle: here })), [303, "/"], "here it may");
  },

  "the page of devices changes nothing for a form of another site, or that it does not know": async (
    fixture,
  ) => {
    const { psession } = fixture;
    const [laptop] = await twoBrowsers(fixture);
    const [, there = ""] = handlesIn(await show(laptop));
    for (const sender of [{ "sec-fetch-site": "cross-site" }, { origin: "https://evil.example" }])
      assert.equal((await submit(laptop, { do: "end-all" }, { headers: sender })).status, 403);
    for (const fields of [{}, { do: "" }, { do: "all" }, { do: "name", handle: there }]) {
      const { status, headers } = await submit(laptop, fields as Record<string, string>);
      assert.deepEqual([status, headers["cache-control"]], [400, "no-store"], JSON.stringify(fields));
    }
    const named = await submit(laptop, { do: "name", handle: there, name: "a\nb" });
    assert.deepEqual([named.status, /role="alert"/.test(named.text)], [400, true]);
    const long = await submit(laptop, { do: "name", handle: there, name: "x".repeat(5000) });
    assert.equal(long.status, 413);
    assert.equal((await laptop.get(PAGE, { method: "DELETE" })).status, 405);
    const devices = await psession.devices("ada");
    assert.deepEqual([devices.length, devices[1]?.name], [2, undefined]);
    assert.equal((await laptop.get(`${PAGE}/elsewhere`)).status, 404);
  },

  "what browsers and users write is text on the page of devices": async ({ visitor }) => {
    const ada = visitor();
    const evil = `<script>alert("1")</script>" style='x`;
    await ada.post("/login", { headers: { "user-agent": `${evil}/1.0` } });
    const [handle = ""] = handlesIn(await show(ada));
    await submit(ada, { do: "name", handle, name: evil });
    const { text } = await show(ada, `?done=others&count=${encodeURIComponent(evil)}`);
    // Its own script apart, which the page has once at most.
    const rest = text.replace(`<script>${ASKS_AGAIN}</script>`, "");
    assert.ok(!/<script|style='/.test(rest), text);
    assert.match(text, /&lt;script&gt;alert\(&quot;1&quot;\)/);
    assert.match(text, /Unknown browser/);
    const linked = await ada.get(`${PAGE}?done=ended`, {
      headers: { ...HTML, "sec-fetch-site": "cross-site" },
    });
    assert.ok(!/role="status"/.test(linked.text), "another site's link makes it say nothing");
  },
};
