// npm i psession; node app.js
import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { createPsession, dangerouslyAllowInsecureHttp } from "psession";
import { originCheck, requireFresh, requireLogin, withSession } from "psession/node";
import { sqliteStore } from "psession/sqlite";

const psession = createPsession({
  store: sqliteStore({ path: process.env.DATABASE ?? "sessions.sqlite" }),
  keys: process.env.SESSION_KEYS, // 32 random bytes as text: npx psession keys generate
  [dangerouslyAllowInsecureHttp]: true, // for http://localhost; refused in production
});

const users = { "ada@example.com": { id: 1, password: "only for trying it out" } };

const isOurs = originCheck();
const isMember = requireLogin();
const isConfirmed = requireFresh({ within: "10m" });

const routes = {
  async "POST /login"(request, response, session) {
    const { email, password, remember } = await json(request);
    const user = users[email];
    if (user === undefined || user.password !== password) return response.writeHead(401).end();
    await session.login(user.id, { remember: remember === "on" });
    response.writeHead(303, { location: "/cart" }).end();
  },
  async "POST /logout"(_request, response, session) {
    await session.logout();
    response.writeHead(204).end();
  },
  async "POST /cart"(request, response, session) {
    const { item } = await json(request);
    session.push("cart", item);
    response.writeHead(303, { location: "/cart" }).end();
  },
  "GET /cart"(_request, response, session) {
    send(response, session.data.cart ?? []);
  },
  async "GET /devices"(request, response, session) {
    if (isMember(request, response, session)) send(response, await session.devices());
  },
  "GET /billing"(request, response, session) {
    if (isConfirmed(request, response, session)) send(response, "your cards");
  },
};

function send(response, value) {
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify(value));
}

const withShop = withSession(psession, (request, response, session) =>
  routes[`${request.method} ${request.url}`](request, response, session),
);

const server = createServer((request, response) => {
  if (!isOurs(request, response)) return;
  // A request for an unknown page reads no session.
  if (!Object.hasOwn(routes, `${request.method} ${request.url}`)) return response.writeHead(404).end();
  withShop(request, response);
});

server.listen(process.env.PORT ?? 3000);

process.once("SIGTERM", () => server.close(() => psession.close()));
