import fastify, { type FastifyRequest } from "fastify";
import type { Psession } from "psession";
import sessionsByDefault, {
  type FastifySession,
  originCheck,
  requireFresh,
  requireLevel,
  requireLogin,
  requirePending,
  requireProofs,
  sessions,
} from "psession/fastify";

/** The application's data is merged in tests/types/session-data.test-d.ts. */
declare const psession: Psession;
declare const request: FastifyRequest;

const app = fastify();
await app.register(sessions, { psession });
await app.register(sessions, { psession, open: "always", user: (data) => data.visits });
await app.register(sessionsByDefault, { psession, user: false });
await app.register(import("psession/fastify"), { psession });
// @ts-expect-error: no such time
app.register(sessions, { psession, open: "often" });
// @ts-expect-error: without it there are no sessions
app.register(sessions, { open: "always" });

const visits: number | undefined = request.session.get("visits");
const opened: FastifySession = await request.openSession();
const locale: "de" | "en" | undefined = opened.data.locale;
const id: string = request.session.sessionId;
const states: boolean[] = [request.session.isModified(), request.session.isSaved()];
await request.session.regenerate();
await request.session.regenerate(["visits"]);
await request.session.regenerate({ keep: ["visits"] });
request.session.regenerate((error) => console.error(error));
request.session.regenerate(["visits"], (error) => console.error(error));
const saving: Promise<void> = request.session.save();
request.session.save((error) => console.error(error));
// @ts-expect-error: no such locale
request.session.data.locale = "fr";
// @ts-expect-error: values are set by set or in data
request.session.visits = 1;
// @ts-expect-error: it ends by logout or destroy
request.session = null;

app.addHook("onRequest", originCheck({ allowed: ["https://admin.example.com"] }));
app.addHook("preHandler", requireLogin({ redirectTo: "/login" }));
app.get("/", { preHandler: [requireLevel("login"), requireFresh({ within: "10m" })] }, async () => "in");
app.get(
  "/2",
  { preHandler: [requireProofs(["password", "otp"], { within: "1h" }), requirePending()] },
  () => "in",
);
await request.session.begin(7, { method: "password", carry: ["visits"] });
const done: "signed_in" | "too_many_devices" = await request.session.complete({ method: "otp" });
const since: number | undefined = request.session.proofs[0]?.at;
// @ts-expect-error: "aal3" takes hardware, of which psession knows nothing
requireProofs("aal3");
app.get(
  "/open",
  { onRequest: requireLogin(), config: { session: true } },
  async ({ session }) => session.userId,
);
// @ts-expect-error: open or not
app.get("/often", { config: { session: "often" } }, async () => "in");
const ended: Promise<number> = app.psession.revokeUser(7);
const read: Promise<FastifySession> = app.decryptSession("cookie", {});

/** Or by type parameter. */
interface Shop {
  cart: string[];
}
declare const ofShop: Psession<Shop>;
await app.register(sessions<Shop>, { psession: ofShop, user: (data) => data.cart?.[0] });
const shop = request.getDecorator<FastifySession<Shop>>("session");
const cart: string[] | undefined = shop.data.cart;
const same: FastifySession<Shop> = await request.openSession<Shop>();
// @ts-expect-error: not in this type
shop.data.locale;

export { cart, done, ended, id, locale, read, same, saving, since, states, visits };
