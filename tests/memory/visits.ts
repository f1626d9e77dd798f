/**
 * A million requests in this process: signed-in readers, cookies of sessions that are gone, forged ones, and none.
 * Answers its parent with the bytes of heap that are in use after a quarter of them, and after all.
 */

import { sessionCookieValue } from "../../src/http/cookies.ts";
import { createPsession, factsOf, memoryStore } from "../../src/index.ts";
import { newId, newSecret } from "../../src/protocol/secrets.ts";
import { KEY, SESSION } from "../support/app.ts";

const REQUESTS = 1_000_000;
const psession = createPsession({
  store: memoryStore(),
  keys: [KEY],
  prune: false,
  devices: { detectNew: true },
});
const { keys } = psession.core.settings;

const exchangeWith = (cookie: string | undefined) =>
  psession.exchange(
    factsOf((name) => (name === "cookie" ? cookie : undefined), {
      ...{ method: "GET", secure: true, address: "192.0.2.7", arrivedAt: psession.core.settings.clock.now() },
    }),
  );

async function signIn(user: string): Promise<string> {
  const exchange = exchangeWith(undefined);
  const session = await exchange.open();
  await session.login(user, { remember: true });
  const { setCookie } = await exchange.commit();
  return setCookie.map((line) => line.split(";", 1)[0]).join("; ");
}

const users = await Promise.all(Array.from({ length: 100 }, (_, index) => signIn(`user ${index}`)));
const gone = () => `${SESSION}=${sessionCookieValue({ id: newId(), secret: newSecret() }, keys)}`;
const forged = () => `${SESSION}=${newId()}.${newSecret().toString("base64url")}.${newId()}`;

async function visit(index: number): Promise<void> {
  const kind = index % 4;
  const cookie = [users[index % users.length], gone(), forged(), undefined][kind];
  const exchange = exchangeWith(cookie);
  const session = await exchange.open();
  if (session.isSignedIn !== (kind === 0)) throw new Error(`request ${index} is not what it should be`);
  await exchange.commit();
}

function heapInUse(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

const used: number[] = [];
for (let index = 1; index <= REQUESTS; index++) {
  await visit(index);
  if (index === REQUESTS / 4 || index === REQUESTS) used.push(heapInUse());
}
await psession.close();
process.send?.(used, () => process.disconnect());
