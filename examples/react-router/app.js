// npm i react react-router @hono/node-server psession; node app.js
// React Router's own server API, so that it runs without a compiler. In framework mode the middleware goes into
// app/root.jsx, loaders and actions into their route modules, and they look the same.
import { serve } from "@hono/node-server";
import { createPsession, dangerouslyAllowInsecureHttp } from "psession";
import { originCheck, requireFresh, requireLogin, withSession } from "psession/fetch";
import { sqliteStore } from "psession/sqlite";
import { createContext, createStaticHandler, isRouteErrorResponse, redirect } from "react-router";

const psession = createPsession({
  store: sqliteStore({ path: process.env.DATABASE ?? "sessions.sqlite" }),
  keys: process.env.SESSION_KEYS, // 32 random bytes as text: npx psession keys generate
  [dangerouslyAllowInsecureHttp]: true, // for http://localhost; refused in production
});

const users = { "ada@example.com": { id: 1, password: "only for trying it out" } };

const sessionContext = createContext();
const sessions = ({ request, context }, next) =>
  withSession(psession, (_request, getSession) => {
    context.set(sessionContext, getSession);
    return next();
  })(request);

const guarded =
  (guard) =>
  async ({ request, context }, next) => {
    const session = await context.get(sessionContext)();
    return guard(request, session) ?? next();
  };

const routes = [
  {
    path: "/",
    middleware: [sessions],
    children: [
      {
        path: "login",
        async action({ request, context }) {
          const { email, password, remember } = await request.json();
          const user = users[email];
          if (user === undefined || user.password !== password)
            return new Response("Unauthorized", { status: 401 });
          const session = await context.get(sessionContext)();
          await session.login(user.id, { remember: remember === "on" });
          return redirect("/cart", 303);
        },
      },
      {
        path: "logout",
        async action({ context }) {
          const session = await context.get(sessionContext)();
          await session.logout();
          return new Response(null, { status: 204 });
        },
      },
      {
        path: "cart",
        async loader({ context }) {
          const session = await context.get(sessionContext)();
          return Response.json(session.data.cart ?? []);
        },
        async action({ request, context }) {
          const { item } = await request.json();
          const session = await context.get(sessionContext)();
          session.push("cart", item);
          return redirect("/cart", 303);
        },
      },
      {
        path: "devices",
        middleware: [guarded(requireLogin())],
        async loader({ context }) {
          const session = await context.get(sessionContext)();
          return Response.json(await session.devices());
        },
      },
      {
        path: "billing",
        middleware: [guarded(requireFresh({ within: "10m" }))],
        loader: () => Response.json("your cards"),
      },
    ],
  },
];

const { queryRoute } = createStaticHandler(routes);
const refusalOfOrigin = originCheck();

async function app(request) {
  try {
    return (
      refusalOfOrigin(request) ??
      (await queryRoute(request, { generateMiddlewareResponse: (run) => run(request) }))
    );
  } catch (error) {
    if (!isRouteErrorResponse(error)) throw error;
    return new Response(error.statusText, { status: error.status });
  }
}

const server = serve({ fetch: app, port: Number(process.env.PORT ?? 3000) });

process.once("SIGTERM", () => server.close(() => psession.close()));
