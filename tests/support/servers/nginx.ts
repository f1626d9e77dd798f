import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { binariesOf } from "./binaries.ts";
import { accountOf, OwnServer, ownFolder } from "./own.ts";

export interface NginxSetup {
  /** What stands in the block `http`; gets the folder that `files` are in. */
  readonly http: (folder: string) => string;
  readonly files?: Readonly<Record<string, string>>;
  /** One that it listens on. */
  readonly port: number;
}

export interface Nginx {
  /** Lines of the access log so far. */
  accessLog(): string;
}

/** An nginx of a test's own. Gone when the test or the file is over. */
export async function startNginx({ http, files = {}, port }: NginxSetup): Promise<Nginx> {
  const binaries = binariesOf("nginx");
  if (binaries === undefined) throw new Error("nginx is not installed.");
  const account = accountOf("www-data", "nobody");
  const folder = ownFolder("nginx", account);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o644 });
  const kept = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const config = join(folder, "nginx.conf");
  writeFileSync(
    config,
    `daemon off;
pid ${join(folder, "pid")};
worker_processes 1;
events {}
http {
  access_log ${join(folder, "access.log")};
${kept.map((name) => `  ${name}_temp_path ${join(folder, name)};`).join("\n")}
${http(folder)}
}
`,
    { mode: 0o644 },
  );
  const server = new OwnServer({
    name: `nginx on port ${port}`,
    account,
    folder,
    command: binaries.nginx,
    args: ["-e", "stderr", "-c", config, "-p", folder],
    stopSignal: "SIGQUIT",
    ask: async () => {
      const socket = connect(port, "127.0.0.1");
      await once(socket, "connect");
      socket.destroy();
      if (!existsSync(join(folder, "pid"))) throw new Error("another program has its port");
      return folder;
    },
  });
  await server.start();
  return { accessLog: () => readFileSync(join(folder, "access.log"), "utf8") };
}
