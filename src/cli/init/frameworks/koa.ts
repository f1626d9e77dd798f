import { core, type Framework, guards } from "./framework.ts";

export const koa: Framework = {
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
};
