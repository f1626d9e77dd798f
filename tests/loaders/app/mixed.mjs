/** In one process, `import` and `require` share one psession: its classes, registries, contexts and warnings. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { createPsession, dangerouslyAllowInsecureHttp, memoryStore, PsessionError } from "psession";
import { sessions } from "psession/express";
import session from "psession/express-session";

const require = createRequire(import.meta.url);
const required = {
  core: require("psession"),
  express: require("psession/express"),
  dropIn: require("psession/express-session"),
};
const options = () => ({ store: memoryStore(), keys: ["Nq8Lw3Zt6Vx1Rb9Ks4Yd7Gh2Jf5Mp0Ca"] });
const overHttp = () => ({ ...options(), [dangerouslyAllowInsecureHttp]: true });

for (const path of Object.keys(require("psession/package.json").exports)) {
  const specifier = `psession${path.slice(1)}`;
  if (specifier.endsWith(".json")) continue;
  const [imported, given] = [await import(specifier), require(specifier)];
  const names = Object.keys(imported).filter((name) => name !== "module.exports");
  assert.notEqual(names.length, 0, specifier);
  // What browsers run is a module of its own for `import`, and has nothing that both would have to share.
  const isForBrowsers = /\/(client|react|svelte)$/.test(specifier);
  if (!isForBrowsers)
    for (const name of names) assert.equal(imported[name], given[name], `${specifier}: ${name}`);
  assert.deepEqual(
    Object.keys(given).filter((name) => !(name in imported)),
    [],
    specifier,
  );
}
assert.equal(session, required.dropIn);
assert.equal(typeof session, "function");

// An error of the one is an error of the other.
assert.throws(() => required.core.createPsession({}), PsessionError);
assert.throws(() => createPsession({}), required.core.PsessionError);

// A service of the one, the middleware of the other, the guard of the first. And a request that changes the password
// may sign in with the link that it came by, though all that was proved before counts no more: psession asks the
// context which request that is.
const psession = required.core.createPsession(overHttp());
const chain = [sessions(psession), required.express.requireLogin()];
const answers = await ask((request, response) => {
  const step = (index) => (error) => {
    assert.equal(error, undefined);
    if (index < chain.length) return chain[index](request, response, step(index + 1));
    response.end(String(request.session.userId));
  };
  if (request.url !== "/reset") return step(0)();
  chain[0](request, response, async () => {
    for (const start = Date.now(); Date.now() <= start; );
    await psession.passwordChanged(7);
    await request.session.login(7);
    response.end("reset");
  });
});
assert.deepEqual(answers, ["200 reset", "401", "200 7"]);
const other = session({
  secret: "s",
  store: createPsession(overHttp()),
  resave: false,
  saveUninitialized: false,
});
assert.equal(typeof other, "function");

// What is to be said once is said once.
const warnings = [];
process.on("warning", ({ code }) => warnings.push(code));
for (const { createPsession: create } of [{ createPsession }, required.core]) {
  const transport = { method: "GET", secure: false, headers: { get: () => undefined } };
  await create(options())
    .exchange({ cookieHeader: undefined, ...transport })
    .open();
}
await new Promise(setImmediate);
assert.deepEqual(warnings, ["PSESSION_INSECURE_TRANSPORT"]);
console.log("All is well.");

async function ask(handler) {
  const server = createServer(handler);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const base = `http://127.0.0.1:${server.address().port}`;
  const reset = await fetch(`${base}/reset`);
  const cookie = reset.headers
    .getSetCookie()
    .map((line) => line.split(";", 1)[0])
    .join("; ");
  const found = [`${reset.status} ${await reset.text()}`];
  for (const headers of [{}, { cookie }]) {
    const response = await fetch(base, { headers });
    const text = await response.text();
    found.push(response.ok ? `${response.status} ${text}` : String(response.status));
  }
  server.close();
  return found;
}
