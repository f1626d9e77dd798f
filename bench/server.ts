/** A server to be measured, in a process of its own: `contender`. Tells its port, and its cookies as JSON. */
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import pg from "pg";
import { createPsession, dangerouslyAllowInsecureHttp, type PsessionOptions } from "psession";
import { withSession } from "psession/node";
import { postgresStore } from "psession/postgres";

const [contender = "", address = ""] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString: address, max: 10 });
const SESSIONS = 1000;

const psession = createPsession<{ cart: string[]; theme: string }>({
  store: postgresStore({ pool }),
  keys: ["bench/k9Vv3Qm7sXw2Lr8TzYb4Nc6Jd1Hf5Gp0"],
  prune: false,
  [dangerouslyAllowInsecureHttp]: true,
} as PsessionOptions);

const bare: RequestListener = async (request, response) => {
  const id = /psession=([^.]+)/.exec(request.headers.cookie ?? "")?.[1];
  const { rows } = await pool.query({
    name: "bare",
    text: "SELECT * FROM psession_sessions WHERE id = $1",
    values: [id],
  });
  answer(response, rows[0]?.user_id);
};

const ours = withSession(psession, (_request, response, session) => answer(response, session.userId));

function answer(response: Parameters<RequestListener>[1], user: unknown): void {
  const body = JSON.stringify({ user });
  response.setHeader("Content-Length", body.length);
  response.end(body);
}

const cookies: string[] = [];
for (let index = 0; index < SESSIONS; index++) {
  const exchange = psession.exchange({
    cookie: undefined,
    secure: true,
    navigation: false,
    script: false,
    canSetCookies: true,
    userAgent:
      "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36",
    address: "192.0.2.1",
  });
  const session = await exchange.open();
  session.set({ cart: ["tea", "cups"], theme: "dark" });
  await session.login(`user ${index}`);
  const { setCookie } = await exchange.commit();
  cookies.push(setCookie[0]?.split(";")[0] ?? "");
}

const server = createServer(contender === "bare" ? bare : ours);
server.listen(0, "127.0.0.1", () => {
  process.send?.({ port: (server.address() as AddressInfo).port, cookies, contender });
});
process.on("message", () => process.send?.({ cpu: process.cpuUsage() }));
process.on("disconnect", () => process.exit());
