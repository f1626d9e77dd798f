import assert from "node:assert/strict";
import type { HttpCases, HttpFixture } from "./fixture.ts";
import type { Site } from "./integration.ts";

/** Server-sent events, until the session ends. */
const watching =
  (alive: boolean[]): Site =>
  async (request) => {
    const session = await request.session();
    const ended = Promise.withResolvers<void>();
    session.onEnd(ended.resolve);
    return {
      headers: { "content-type": "text/event-stream" },
      body: (async function* () {
        yield "data: open\n\n";
        alive.push(await session.isAlive());
        yield "data: alive\n\n";
        await ended.promise;
        alive.push(await session.isAlive());
        yield "data: ended\n\n";
      })(),
    };
  };

/** What a stream of this visitor says until it ends, where `end` happens once it is under way. */
async function streamed({ visitor, route }: HttpFixture, cookie: string, end: () => Promise<unknown>) {
  const alive: boolean[] = [];
  route("/watch", watching(alive));
  const response = await visitor().start("/watch", { cookie });
  let text = "";
  let isEnding = false;
  for await (const chunk of response.setEncoding("utf8")) {
    text += chunk;
    if (isEnding || !text.includes("alive")) continue;
    isEnding = true;
    await end();
  }
  return { text: text.replaceAll("data: ", "").trim().split("\n\n"), alive };
}

/** Answers that last: server-sent events, long polls. */
export const streams: HttpCases = {
  "a stream hears that its session ended: by a logout elsewhere, a revocation, a changed password": async (
    fixture,
  ) => {
    const { visitor, psession } = fixture;
    const ada = visitor();
    for (const end of [
      (cookie: string) => visitor().post("/logout", { cookie }),
      () => psession.revokeUser("ada"),
      () => psession.passwordChanged("ada"),
      () => psession.revokeEveryone(),
    ]) {
      // Later than the mark that the one before has set.
      fixture.wait(1);
      await ada.post("/login");
      const { cookie } = ada;
      const { text, alive } = await streamed(fixture, cookie, () => end(cookie));
      assert.deepEqual(
        [text, alive],
        [
          ["open", "alive", "ended"],
          [true, false],
        ],
      );
    }
  },
};
