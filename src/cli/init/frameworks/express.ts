import { core, type Framework, guards } from "./framework.ts";

export const express: Framework = {
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
};
