import { core, type Framework, guards } from "./framework.ts";

export const fastify: Framework = {
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
};
