import type { Typed } from "./app.ts";

interface Framework {
  readonly label: string;
  readonly packages: readonly string[];
  /** Packages with types only. */
  readonly types: readonly string[];
  readonly imports: (t: Typed) => readonly string[];
  /** Where `findUser`, the pages and the rest are, which all share. */
  readonly routes: (t: Typed) => string;
  /** Forms are read by the framework, or by a package of its own. */
  readonly readsForms: boolean;
}

const core = (t: Typed) =>
  `import { createPsession${t(", type Device, type Session, type UserId")} } from "psession";`;

/** What stands before the routes: guards that send browsers to a form, and back. */
const guards = `const members = requireLogin({ redirectTo: (path) => withNext("/sign-in", path) });
const confirmed = requireFresh({ within: "10m", redirectTo: (path) => withNext("/confirm", path) });`;

/** By subpath; those that this package exports are offered. */
export const FRAMEWORKS: Readonly<Record<string, Framework>> = {
  express: {
    label: "Express",
    packages: ["express"],
    types: ["@types/express"],
    readsForms: true,
    imports: (t) => [
      'import express from "express";',
      core(t),
      'import { originCheck, requireFresh, requireLogin, sessions } from "psession/express";',
    ],
    routes: () => `const app = express();
// app.set("trust proxy", 1); // behind a proxy that speaks https
app.use(originCheck(), sessions(psession), express.urlencoded());

${guards}

app.get("/", ({ session }, response) => {
  response.send(homePage(session));
});

app.post("/cart", ({ session, body = {} }, response) => {
  session.push("cart", String(body.item).slice(0, 100));
  response.redirect(303, "/");
});

app.get("/sign-in", ({ query }, response) => {
  response.send(signInPage(query.next));
});

app.post("/sign-in", async ({ session, body = {} }, response) => {
  const user = await findUser(body.email, body.password);
  if (user === undefined) {
    response.status(401).send(signInPage(body.next, "Wrong email or password."));
    return;
  }
  await session.login(user.id, { remember: body.remember === "on" });
  response.redirect(303, pathIn(body.next));
});

app.get("/billing", members, confirmed, (_request, response) => {
  response.send(billingPage());
});

app.get("/confirm", members, ({ query }, response) => {
  response.send(confirmPage(query.next));
});

app.post("/confirm", members, async ({ session, body = {} }, response) => {
  if (!(await isPasswordOf(session.userId, body.password))) {
    response.status(403).send(confirmPage(body.next, "Wrong password."));
    return;
  }
  await session.reauthenticate();
  response.redirect(303, pathIn(body.next));
});

app.get("/devices", members, async ({ session }, response) => {
  response.send(devicesPage(await session.devices()));
});

app.post("/devices/end", members, async ({ session, body = {} }, response) => {
  await session.revoke(String(body.handle));
  response.redirect(303, "/devices");
});

app.post("/devices/end-others", members, async ({ session }, response) => {
  await session.revokeOthers();
  response.redirect(303, "/devices");
});

app.post("/sign-out", async ({ session }, response) => {
  await session.logout();
  response.redirect(303, "/");
});

const port = Number(process.env.PORT ?? 3000);
const server = app.listen(port, (error) => {
  if (error) throw error;
  console.log(\`http://localhost:\${port}\`);
});
process.once("SIGTERM", () => {
  server.close(async () => {
    await psession.close();
    process.exit();
  });
});
`,
  },
  fastify: {
    label: "Fastify",
    packages: ["fastify", "@fastify/formbody"],
    types: [],
    readsForms: true,
    imports: (t) => [
      'import formbody from "@fastify/formbody";',
      `import fastify${t(", { type FastifyReply, type FastifyRequest }")} from "fastify";`,
      core(t),
      'import { originCheck, requireFresh, requireLogin, sessions } from "psession/fastify";',
    ],
    routes: (t) => `const app = fastify(); // behind a proxy that speaks https: fastify({ trustProxy: 1 })
app.addHook("onRequest", originCheck());
await app.register(sessions, { psession });
await app.register(formbody);
app.addHook("onClose", () => psession.close());

${guards}

const fieldsOf = ({ body }${t(": FastifyRequest")}) => (body ?? {})${t(" as Record<string, unknown>")};
const nextOf = ({ query }${t(": FastifyRequest")}) => ${t("(")}query${t(" as { next?: unknown })")}.next;
const send = (reply${t(": FastifyReply")}, html${t(": string")}) => reply.type("text/html").send(html);

app.get("/", async (request, reply) => {
  const session = await request.openSession();
  return send(reply, homePage(session));
});

app.post("/cart", async (request, reply) => {
  const session = await request.openSession();
  session.push("cart", String(fieldsOf(request).item).slice(0, 100));
  return reply.redirect("/", 303);
});

app.get("/sign-in", async (request, reply) => send(reply, signInPage(nextOf(request))));

app.post("/sign-in", async (request, reply) => {
  const { email, password, remember, next } = fieldsOf(request);
  const user = await findUser(email, password);
  if (user === undefined) return send(reply.code(401), signInPage(next, "Wrong email or password."));
  const session = await request.openSession();
  await session.login(user.id, { remember: remember === "on" });
  return reply.redirect(pathIn(next), 303);
});

app.get("/billing", { preHandler: [members, confirmed] }, async (_request, reply) => send(reply, billingPage()));

app.get("/confirm", { preHandler: members }, async (request, reply) => send(reply, confirmPage(nextOf(request))));

// Behind a guard the session is open.
app.post("/confirm", { preHandler: members }, async (request, reply) => {
  const { password, next } = fieldsOf(request);
  if (!(await isPasswordOf(request.session.userId, password))) {
    return send(reply.code(403), confirmPage(next, "Wrong password."));
  }
  await request.session.reauthenticate();
  return reply.redirect(pathIn(next), 303);
});

app.get("/devices", { preHandler: members }, async ({ session }, reply) =>
  send(reply, devicesPage(await session.devices())),
);

app.post("/devices/end", { preHandler: members }, async (request, reply) => {
  await request.session.revoke(String(fieldsOf(request).handle));
  return reply.redirect("/devices", 303);
});

app.post("/devices/end-others", { preHandler: members }, async ({ session }, reply) => {
  await session.revokeOthers();
  return reply.redirect("/devices", 303);
});

app.post("/sign-out", async (request, reply) => {
  const session = await request.openSession();
  await session.logout();
  return reply.redirect("/", 303);
});

const port = Number(process.env.PORT ?? 3000);
await app.listen({ port });
console.log(\`http://localhost:\${port}\`);
process.once("SIGTERM", async () => {
  await app.close();
  process.exit();
});
`,
  },
  koa: {
    label: "Koa",
    packages: ["koa", "@koa/router", "@koa/bodyparser"],
    types: ["@types/koa"],
    readsForms: true,
    imports: (t) => [
      'import { bodyParser } from "@koa/bodyparser";',
      'import Router from "@koa/router";',
      `import Koa${t(", { type Context }")} from "koa";`,
      core(t),
      'import { originCheck, requireFresh, requireLogin, sessions } from "psession/koa";',
    ],
    routes: (t) => `const app = new Koa(); // behind a proxy that speaks https: new Koa({ proxy: true })
app.use(originCheck());
app.use(sessions(psession));
app.use(bodyParser());

const router = new Router();
app.use(router.routes());

${guards}

const fieldsOf = ({ request }${t(": Context")}) => (request.body ?? {})${t(" as Record<string, unknown>")};

function redirect(ctx${t(": Context")}, path${t(": string")}) {
  ctx.status = 303;
  ctx.redirect(path);
}

router.get("/", async (ctx) => {
  ctx.body = homePage(await ctx.openSession());
});

router.post("/cart", async (ctx) => {
  const session = await ctx.openSession();
  session.push("cart", String(fieldsOf(ctx).item).slice(0, 100));
  redirect(ctx, "/");
});

router.get("/sign-in", (ctx) => {
  ctx.body = signInPage(ctx.query.next);
});

router.post("/sign-in", async (ctx) => {
  const { email, password, remember, next } = fieldsOf(ctx);
  const user = await findUser(email, password);
  if (user === undefined) {
    ctx.status = 401;
    ctx.body = signInPage(next, "Wrong email or password.");
    return;
  }
  const session = await ctx.openSession();
  await session.login(user.id, { remember: remember === "on" });
  redirect(ctx, pathIn(next));
});

router.get("/billing", members, confirmed, (ctx) => {
  ctx.body = billingPage();
});

router.get("/confirm", members, (ctx) => {
  ctx.body = confirmPage(ctx.query.next);
});

// Behind a guard the session is open.
router.post("/confirm", members, async (ctx) => {
  const { password, next } = fieldsOf(ctx);
  if (!(await isPasswordOf(ctx.session.userId, password))) {
    ctx.status = 403;
    ctx.body = confirmPage(next, "Wrong password.");
    return;
  }
  await ctx.session.reauthenticate();
  redirect(ctx, pathIn(next));
});

router.get("/devices", members, async (ctx) => {
  ctx.body = devicesPage(await ctx.session.devices());
});

router.post("/devices/end", members, async (ctx) => {
  await ctx.session.revoke(String(fieldsOf(ctx).handle));
  redirect(ctx, "/devices");
});

router.post("/devices/end-others", members, async (ctx) => {
  await ctx.session.revokeOthers();
  redirect(ctx, "/devices");
});

router.post("/sign-out", async (ctx) => {
  const session = await ctx.openSession();
  await session.logout();
  redirect(ctx, "/");
});

const port = Number(process.env.PORT ?? 3000);
const server = app.listen(port, () => console.log(\`http://localhost:\${port}\`));
process.once("SIGTERM", () => {
  server.close(async () => {
    await psession.close();
    process.exit();
  });
});
`,
  },
  hono: {
    label: "Hono",
    packages: ["hono", "@hono/node-server"],
    types: [],
    readsForms: true,
    imports: (t) => [
      'import { serve } from "@hono/node-server";',
      'import { getConnInfo } from "@hono/node-server/conninfo";',
      'import { Hono } from "hono";',
      'import { bodyLimit } from "hono/body-limit";',
      core(t),
      `import { originCheck, requireFresh, requireLogin, ${t("type SessionVariables, ")}sessions } from "psession/hono";`,
    ],
    routes: (t) => `const app = new Hono${t("<{ Variables: SessionVariables }>")}();
// Behind a proxy that speaks https, give originCheck, sessions and the guards trustProxy: true.
app.use(originCheck(), sessions(psession, { address: (c) => getConnInfo(c).remote.address }));
app.use(bodyLimit({ maxSize: 65_536 }));

${guards}

app.get("/", async (c) => c.html(homePage(await c.var.session)));

app.post("/cart", async (c) => {
  const { item } = await c.req.parseBody();
  const session = await c.var.session;
  session.push("cart", String(item).slice(0, 100));
  return c.redirect("/", 303);
});

app.get("/sign-in", (c) => c.html(signInPage(c.req.query("next"))));

app.post("/sign-in", async (c) => {
  const { email, password, remember, next } = await c.req.parseBody();
  const user = await findUser(email, password);
  if (user === undefined) return c.html(signInPage(next, "Wrong email or password."), 401);
  const session = await c.var.session;
  await session.login(user.id, { remember: remember === "on" });
  return c.redirect(pathIn(next), 303);
});

app.get("/billing", members, confirmed, (c) => c.html(billingPage()));

app.get("/confirm", members, (c) => c.html(confirmPage(c.req.query("next"))));

app.post("/confirm", members, async (c) => {
  const { password, next } = await c.req.parseBody();
  const session = await c.var.session;
  if (!(await isPasswordOf(session.userId, password))) return c.html(confirmPage(next, "Wrong password."), 403);
  await session.reauthenticate();
  return c.redirect(pathIn(next), 303);
});

app.get("/devices", members, async (c) => {
  const session = await c.var.session;
  return c.html(devicesPage(await session.devices()));
});

app.post("/devices/end", members, async (c) => {
  const { handle } = await c.req.parseBody();
  const session = await c.var.session;
  await session.revoke(String(handle));
  return c.redirect("/devices", 303);
});

app.post("/devices/end-others", members, async (c) => {
  const session = await c.var.session;
  await session.revokeOthers();
  return c.redirect("/devices", 303);
});

app.post("/sign-out", async (c) => {
  const session = await c.var.session;
  await session.logout();
  return c.redirect("/", 303);
});

const port = Number(process.env.PORT ?? 3000);
const server = serve({ fetch: app.fetch, port }, () => console.log(\`http://localhost:\${port}\`));
process.once("SIGTERM", () => {
  server.close(async () => {
    await psession.close();
    process.exit();
  });
});
`,
  },
  node: {
    label: "none: node:http",
    packages: [],
    types: [],
    readsForms: false,
    imports: (t) => [
      `import { createServer${t(", type IncomingMessage, type ServerResponse")} } from "node:http";`,
      core(t),
      'import { originCheck, requireFresh, requireLogin, withSession } from "psession/node";',
    ],
    routes: (
      t,
    ) => `// Behind a proxy that speaks https, give originCheck, the guards and withSession { trustProxy: true }.
const isOurs = originCheck();
${guards}
${t(`
type Handler = (request: IncomingMessage, response: ServerResponse, session: Session) => unknown;
`)}
const routes${t(": Record<string, Handler>")} = {
  "GET /"(_request, response, session) {
    send(response, homePage(session));
  },
  async "POST /cart"(request, response, session) {
    const { item } = await formOf(request);
    session.push("cart", String(item).slice(0, 100));
    redirect(response, "/");
  },
  "GET /sign-in"(request, response) {
    send(response, signInPage(nextOf(request)));
  },
  async "POST /sign-in"(request, response, session) {
    const { email, password, remember, next } = await formOf(request);
    const user = await findUser(email, password);
    if (user === undefined) return send(response, signInPage(next, "Wrong email or password."), 401);
    await session.login(user.id, { remember: remember === "on" });
    redirect(response, pathIn(next));
  },
  "GET /billing"(request, response, session) {
    if (!members(request, response, session) || !confirmed(request, response, session)) return;
    send(response, billingPage());
  },
  "GET /confirm"(request, response, session) {
    if (members(request, response, session)) send(response, confirmPage(nextOf(request)));
  },
  async "POST /confirm"(request, response, session) {
    if (!members(request, response, session)) return;
    const { password, next } = await formOf(request);
    if (!(await isPasswordOf(session.userId, password))) {
      return send(response, confirmPage(next, "Wrong password."), 403);
    }
    await session.reauthenticate();
    redirect(response, pathIn(next));
  },
  async "GET /devices"(request, response, session) {
    if (members(request, response, session)) send(response, devicesPage(await session.devices()));
  },
  async "POST /devices/end"(request, response, session) {
    if (!members(request, response, session)) return;
    const { handle } = await formOf(request);
    await session.revoke(String(handle));
    redirect(response, "/devices");
  },
  async "POST /devices/end-others"(request, response, session) {
    if (!members(request, response, session)) return;
    await session.revokeOthers();
    redirect(response, "/devices");
  },
  async "POST /sign-out"(_request, response, session) {
    await session.logout();
    redirect(response, "/");
  },
};

const routeOf = ({ method, url = "/" }${t(": IncomingMessage")}) => \`\${method} \${url.split("?")[0]}\`;
const nextOf = ({ url = "/" }${t(": IncomingMessage")}) => new URLSearchParams(url.split("?")[1]).get("next");

const withRoutes = withSession(psession, (request, response, session) =>
  routes[routeOf(request)]${t("?.")}(request, response, session),
);

const server = createServer((request, response) => {
  if (!isOurs(request, response)) return;
  // A request that is for none of our pages reads no session.
  if (Object.hasOwn(routes, routeOf(request))) withRoutes(request, response);
  else response.writeHead(404).end("Not found");
});

const port = Number(process.env.PORT ?? 3000);
server.listen(port, () => console.log(\`http://localhost:\${port}\`));
process.once("SIGTERM", () => {
  server.close(async () => {
    await psession.close();
    process.exit();
  });
});

function send(response${t(": ServerResponse")}, html${t(": string")}, status = 200) {
  response.writeHead(status, { "content-type": "text/html; charset=utf-8" }).end(html);
}

function redirect(response${t(": ServerResponse")}, path${t(": string")}) {
  response.writeHead(303, { location: path }).end();
}
`,
  },
};
