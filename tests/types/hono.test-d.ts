import { Hono } from "hono";
import type { Psession, Session } from "psession";
import {
  requireFresh,
  requireLogin,
  requirePending,
  requireProofs,
  type SessionVariables,
  sessions,
} from "psession/hono";

declare const psession: Psession;
declare const own: Psession<{ cart: string[] }>;

/** By inference, for handlers that are chained after the middleware; guards between them change nothing. */
new Hono().use(sessions(own)).get("/cart", requireLogin(), requireFresh({ within: "10m" }), async (c) => {
  const session = await c.var.session;
  const cart: string[] | undefined = session.data.cart;
  // @ts-expect-error: not in this type
  session.data.locale;
  // @ts-expect-error: it has to be awaited
  c.var.session.data;
  const same: Session<{ cart: string[] }> = await c.get("session");
  return c.json([cart, same.id]);
});

/** By declaration, where routes are added one by one. */
const app = new Hono<{ Variables: SessionVariables }>();
app.use(sessions(psession));
app.get("/", async (c) => {
  const session = await c.var.session;
  const locale: "de" | "en" | undefined = session.data.locale;
  // @ts-expect-error: a number is asked for
  session.data.visits = "many";
  return c.json(locale);
});

/** Beside variables of the application's own. */
new Hono<{ Variables: { tenant: string } }>().use(sessions(own)).get("/", async (c) => {
  const { cart } = (await c.var.session).data;
  const tenant: string = c.var.tenant;
  return c.json([cart, tenant]);
});

/** Guards of second steps change nothing either. */
new Hono().use(sessions(own)).post("/steps", requirePending(), requireProofs("aal2"), async (c) => {
  const session = await c.var.session;
  await session.complete({ method: "otp", carry: ["cart"] });
  // @ts-expect-error: it has to be awaited
  c.var.session.pending;
  return c.json([session.pending?.until, session.claims.acr, await session.isTrusted()]);
});

// @ts-expect-error: no such option
sessions(psession, { trustProxies: true });
sessions(psession, { address: (c) => c.req.header("cf-connecting-ip") });
