import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { binariesOf } from "./binaries.ts";
import { accountOf, OwnServer, ownFolder } from "./own.ts";
import { freePort } from "./ports.ts";

export interface Haproxy {
  readonly port: number;
  /** Sends everybody to the other server from now on, and cuts who is still at the first. */
  switchOver(): Promise<void>;
}

/** An HAProxy of a test's own before two servers on loopback, of which the first gets everything. */
export async function startHaproxy(first: number, second: number): Promise<Haproxy> {
  const binaries = binariesOf("haproxy");
  if (binaries === undefined) throw new Error("HAProxy is not installed.");
  const account = accountOf("nobody");
  const folder = ownFolder("haproxy", account);
  const port = await freePort();
  const socket = join(folder, "socket");
  writeFileSync(
    join(folder, "haproxy.cfg"),
    `global
  stats socket ${socket} mode 600 level admin
defaults
  mode tcp
  timeout connect 1s
  timeout client 60s
  timeout server 60s
frontend sessions
  bind 127.0.0.1:${port}
  default_backend databases
backend databases
  server first 127.0.0.1:${first}
  server second 127.0.0.1:${second} disabled
`,
    { mode: 0o644 },
  );
  const server = new OwnServer({
    name: `HAProxy on port ${port}`,
    account,
    folder,
    command: binaries.haproxy,
    args: ["-f", join(folder, "haproxy.cfg"), "-db"],
    stopSignal: "SIGTERM",
    ask: async () => {
      await say(socket, "show info");
      return folder;
    },
  });
  await server.start();
  return {
    port,
    switchOver: async () => {
      await say(socket, "set server databases/first state maint");
      await say(socket, "set server databases/second state ready");
      await say(socket, "shutdown sessions server databases/first");
    },
  };
}

async function say(path: string, command: string): Promise<string> {
  const socket = connect(path);
  let answer = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    answer += text;
  });
  socket.end(`${command}\n`);
  await once(socket, "close");
  return answer;
}
