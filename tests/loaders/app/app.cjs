/** An application, whoever loads it: what it is given are the modules of psession. */
// In a bundle that is an ES module there is no require for what is not in it.
const assert = process.getBuiltinModule("node:assert/strict");
const { createServer } = process.getBuiltinModule("node:http");

const KEY = "Nq8Lw3Zt6Vx1Rb9Ks4Yd7Gh2Jf5Mp0Ca";
const FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/** A browser of one page: signs in where it is served, and sees itself signed in, by the label of its device. */
async function signIn(handler) {
  const server = createServer(handler);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const base = `http://127.0.0.1:${server.address().port}`;
  const ask = async (path, cookie) => {
    const response = await fetch(base + path, {
      headers: { "user-agent": FIREFOX, ...(cookie && { cookie }) },
    });
    return { response, text: await response.text() };
  };
  try {
    const { response } = await ask("/login");
    const cookie = response.headers
      .getSetCookie()
      .map((line) => line.split(";", 1)[0])
      .join("; ");
    assert.equal((await ask("/")).response.status, 401);
    return (await ask("/", cookie)).text;
  } finally {
    server.close();
  }
}

/** @param {{ core: any, node: any, session: any, fastifyPlugin: any }} psession */
exports.run = async ({ core, node, session, fastifyPlugin }) => {
  const { createPsession, dangerouslyAllowInsecureHttp, memoryStore, PsessionError } = core;
  const { requireLogin, withSession } = node;
  const { psessionOf, Store } = session;
  const psession = createPsession({
    store: memoryStore(),
    keys: [KEY],
    [dangerouslyAllowInsecureHttp]: true,
  });
  const isMember = requireLogin();
  const byCore = withSession(psession, async (request, response, own) => {
    if (request.url === "/login") await own.login(7);
    else if (!isMember(request, response, own)) return;
    const [device] = await own.devices();
    response.end(device.label);
  });
  assert.equal(await signIn(byCore), "Firefox on Linux");

  const middleware = session({ secret: KEY, store: psession, resave: false, saveUninitialized: false });
  const byDropIn = (request, response) =>
    middleware(request, response, async () => {
      const { session: own } = psessionOf(request);
      if (request.url === "/login") await own.login(8);
      else if (!own.isSignedIn) response.statusCode = 401;
      response.end(String(own.userId));
    });
  assert.equal(await signIn(byDropIn), "8");

  // What express-session has at its function, and names besides.
  for (const name of ["Store", "MemoryStore", "Cookie", "Session"])
    assert.equal(typeof session[name], "function");
  assert.equal(session.Store, Store);
  function OldStore() {
    Store.call(this);
  }
  Object.setPrototypeOf(OldStore.prototype, Store.prototype);
  assert.ok(new OldStore() instanceof session.Store);
  assert.equal(typeof fastifyPlugin, "function");
  assert.throws(() => createPsession({ store: memoryStore(), keys: [] }), PsessionError);
  return "All is well.";
};
