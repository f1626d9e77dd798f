import Koa from "koa";
import { createPsession, memoryStore, type Session, type SessionData } from "psession";
import { originCheck, passportSessions, requireLogin, type SessionContext, sessions } from "psession/koa";

const options = { store: memoryStore(), keys: ["k9Vv3Qm7sXw2Lr8TzYb4Nc6Jd1Hf5Gp0"] };

/** An application as most are: the default context has the session. */
const app = new Koa();
app.use(originCheck());
app.use(sessions(createPsession(options)));
app.use(requireLogin({ redirectTo: (path) => `/sign-in?next=${path}` }));
app.use(passportSessions({ remember: (ctx) => ctx.request.body.remember === true, carry: "none" }));
app.use(async (ctx) => {
  const session: Session = await ctx.openSession();
  const same: Session<SessionData> = ctx.session;
  ctx.session = null;
  ctx.session = { visits: 1 };
  // @ts-expect-error: data of its type, or null
  ctx.session = { visits: "often" };
  // @ts-expect-error: no such member
  session.destory();
  ctx.body = same.id;
});
const reusable: Koa.Middleware = async (ctx, next) => {
  await ctx.openSession();
  await next();
};
app.use(reusable);

// @ts-expect-error: one of two
sessions(createPsession(options), { open: "sometimes" });

/** Data by type parameter. */
interface Data {
  cart: string[];
}
const shop = new Koa<Koa.DefaultState, SessionContext<Data>>();
shop.use(sessions(createPsession<Data>(options), { open: "always" }));
shop.use(requireLogin());
shop.use((ctx) => {
  const cart: string[] | undefined = ctx.session.data.cart;
  // @ts-expect-error: not in this type
  ctx.session.data.basket;
  // @ts-expect-error: a list of texts
  ctx.session.data.cart = 1;
  ctx.body = cart;
});
