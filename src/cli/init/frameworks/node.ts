import { core, type Framework, guards } from "./framework.ts";

export const node: Framework = {
  label: "none: node:http",
  packages: [],
  types: [],
  readsForms: false,
  imports: (t) => [
    `import { createServer${t(", type IncomingMessage, type ServerResponse")} } from "node:http";`,
    core(t),
    'import { originCheck, requireFresh, requireLogin, withSession } from "psession/node";',
  ],
  routes: (
    t,
  ) => `// Behind a proxy that speaks https, give originCheck, the guards and withSession { trustProxy: true }.
const isOurs = originCheck();
${guards}
${t(`
type Handler = (request: IncomingMessage, response: ServerResponse, session: Session) => unknown;
`)}
const routes${t(": Record<string, Handler>")} = {
  "GET /"(_request, response, session) {
    send(response, homePage(session));
  },
  async "POST /cart"(request, response, session) {
    const { item } = await formOf(request);
    session.push("cart", String(item).slice(0, 100));
    redirect(response, "/");
  },
  "GET /sign-in"(request, response) {
    send(response, signInPage(nextOf(request)));
  },
  async "POST /sign-in"(request, response, session) {
    const { email, password, remember, next } = await formOf(request);
    const user = await findUser(email, password);
    if (user === undefined) return send(response, signInPage(next, "Wrong email or password."), 401);
    await session.login(user.id, { remember: remember === "on" });
    redirect(response, pathIn(next));
  },
  "GET /billing"(request, response, session) {
    if (!members(request, response, session) || !confirmed(request, response, session)) return;
    send(response, billingPage());
  },
  "GET /confirm"(request, response, session) {
    if (members(request, response, session)) send(response, confirmPage(nextOf(request)));
  },
  async "POST /confirm"(request, response, session) {
    if (!members(request, response, session)) return;
    const { password, next } = await formOf(request);
    if (!(await isPasswordOf(session.userId, password))) {
      return send(response, confirmPage(next, "Wrong password."), 403);
    }
    await session.reauthenticate();
    redirect(response, pathIn(next));
  },
  async "GET /devices"(request, response, session) {
    if (members(request, response, session)) send(response, devicesPage(await session.devices()));
  },
  async "POST /devices/end"(request, response, session) {
    if (!members(request, response, session)) return;
    const { handle } = await formOf(request);
    await session.revoke(String(handle));
    redirect(response, "/devices");
  },
  async "POST /devices/end-others"(request, response, session) {
    if (!members(request, response, session)) return;
    await session.revokeOthers();
    redirect(response, "/devices");
  },
  async "POST /sign-out"(_request, response, session) {
    await session.logout();
    redirect(response, "/");
  },
};

function routeOf({ method, url = "/" }${t(": IncomingMessage")}) {
  return \`\${method === "HEAD" ? "GET" : method} \${url.split("?")[0]}\`;
}

const nextOf = ({ url = "/" }${t(": IncomingMessage")}) => new URLSearchParams(url.split("?")[1]).get("next");

const withRoutes = withSession(psession, (request, response, session) =>
  routes[routeOf(request)]${t("?.")}(request, response, session),
);

const server = createServer((request, response) => {
  if (!isOurs(request, response)) return;
  // A request that is for none of our pages reads no session.
  if (Object.hasOwn(routes, routeOf(request))) withRoutes(request, response);
  else response.writeHead(404).end("Not found");
});

const port = Number(process.env.PORT ?? 3000);
server.listen(port, () => console.log(\`http://localhost:\${port}\`));
process.once("SIGTERM", () => {
  server.close(async () => {
    await psession.close();
    process.exit();
  });
});

function send(response${t(": ServerResponse")}, html${t(": string")}, status = 200) {
  response.writeHead(status, { "content-type": "text/html; charset=utf-8" }).end(html);
}

function redirect(response${t(": ServerResponse")}, path${t(": string")}) {
  response.writeHead(303, { location: path }).end();
}
`,
};
