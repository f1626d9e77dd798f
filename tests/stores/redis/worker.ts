/** A process of its own that restores a login many times at once: `url prefix now cookies`. */
import { redisStore } from "../../../src/stores/redis/index.ts";
import { type Jar, TestBrowser, testApp } from "../../support/app.ts";
import { TestClock } from "../../support/clock.ts";
import { viaNodeRedis } from "./fixtures.ts";

const [url = "", prefix = "", now, cookies = "[]"] = process.argv.slice(2);
const clock = new TestClock();
clock.advance(Number(now) - clock.now());
const { client, close } = await viaNodeRedis(url);
const app = testApp({ store: redisStore({ client, prefix }), clock });
const browser = new TestBrowser(app);
const jar: Jar = new Map(JSON.parse(cookies));
const visits = await Promise.all(Array.from({ length: 25 }, () => browser.visit(undefined, { jar })));
console.log(
  JSON.stringify({
    users: visits.map(({ session }) => session.userId),
    restored: app.told().filter((type) => type === "restored").length,
  }),
);
await app.psession.close();
await close();
process.disconnect?.();
