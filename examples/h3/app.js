// npm i h3 psession; node app.js (or with Bun, or Deno)
import { H3, noContent, redirect, serve, setCookie } from "h3";
import { createPsession, dangerouslyAllowInsecureHttp } from "psession";
import { jarSession, originCheck, requireFresh, requireLogin } from "psession/fetch";
import { sqliteStore } from "psession/sqlite";

const psession = createPsession({
  store: sqliteStore({ path: process.env.DATABASE ?? "sessions.sqlite" }),
  keys: process.env.SESSION_KEYS, // 32 random bytes as text: npx psession keys generate
  [dangerouslyAllowInsecureHttp]: true, // for http://localhost; refused in production
});

const users = { "ada@example.com": { id: 1, password: "only for trying it out" } };

const refusalOfOrigin = originCheck();
const members = requireLogin();
const fresh = requireFresh({ within: "10m" });

const app = new H3();

app.use(({ req }, next) => refusalOfOrigin(req) ?? next());

app.use(async (event, next) => {
  const { req, res, url, context } = event;
  const jar = {
    headers: req.headers,
    set: (name, value, attributes) => setCookie(event, name, value, attributes),
  };
  const { method, ip: address } = req;
  const facts = {
    secure: url.protocol === "https:",
    method,
    address,
    origin: url.origin,
    arrivedAt: Date.now(),
  };
  const { getSession, commit } = jarSession(psession, jar, facts);
  context.getSession = getSession;
  const answer = await next();
  await commit(res.headers);
  return answer;
});

app.post("/login", async ({ req, res, context }) => {
  const { email, password, remember } = await req.json();
  const user = users[email];
  if (user === undefined || user.password !== password) {
    res.status = 401;
    return "Unauthorized";
  }
  const session = await context.getSession();
  await session.login(user.id, { remember: remember === "on" });
  return redirect("/cart", 303);
});

app.post("/logout", async ({ context }) => {
  const session = await context.getSession();
  await session.logout();
  return noContent();
});

app.post("/cart", async ({ req, context }) => {
  const { item } = await req.json();
  const session = await context.getSession();
  session.push("cart", item);
  return redirect("/cart", 303);
});

app.get("/cart", async ({ context }) => {
  const session = await context.getSession();
  return session.data.cart ?? [];
});

app.get("/devices", async ({ req, context }) => {
  const session = await context.getSession();
  return members(req, session) ?? session.devices();
});

app.get("/billing", async ({ req, context }) => {
  return fresh(req, await context.getSession()) ?? Response.json("your cards");
});

const server = serve(app, { port: Number(process.env.PORT ?? 3000), silent: true });

process.once("SIGTERM", () => server.close().then(() => psession.close()));
