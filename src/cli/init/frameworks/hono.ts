import { core, type Framework, guards } from "./framework.ts";

export const hono: Framework = {
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
};
