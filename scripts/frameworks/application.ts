/** An example application, installed with the packed psession, built for production, and started. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { request as plainRequest } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { selfSigned } from "../../tests/support/certificate.ts";
import { freePort } from "../../tests/support/servers/ports.ts";
import { ROOT, run, temporaryFolder } from "../consumer.ts";
import type { BrowserKind, Browsers } from "./browsers.ts";
import type { Contract } from "./contract.ts";

/** The proxies' own, which this process trusts. */
const certificate = selfSigned();
setDefaultCACertificates([...getCACertificates(), certificate.cert]);

/** By which Chromium trusts it. It binds no session where it trusts every certificate. */
const PIN = createHash("sha256")
  .update(new X509Certificate(certificate.cert).publicKey.export({ type: "spki", format: "der" }))
  .digest("base64");

/** A page without a session, which browsers may keep for the back button; its heading says whether one did. */
const KEPT = `<!doctype html><title>Kept</title><h1>New</h1>
<script>onpageshow = ({ persisted }) => { if (persisted) document.querySelector("h1").textContent = "Kept"; };</script>`;

/** What a framework's entry says of its example. */
export interface Framework {
  /** Of the folder in examples, and of the one beside this file with files for tests alone, where there is one. */
  readonly name: string;
  /** Each way of building that users have. The stories are told on each. */
  readonly builds: readonly Build[];
  /** Compiles the example that was built against the types of the framework. */
  readonly types: Command;
  readonly crossSite: CrossSite;
  /** The framework's own stories, besides those that every framework has. */
  readonly stories: readonly Story[];
  readonly contract: Contract;
}

/** A program of the application's node_modules/.bin, or "node", with its arguments. */
export type Command = readonly [program: string, ...values: string[]];

export interface Build {
  readonly name: string;
  readonly commands: readonly Command[];
  /** Starts what was built. */
  readonly start: Command;
  /** To be copied beside what was built, as the framework's documentation says: from, to. */
  readonly copies?: readonly (readonly [from: string, to: string])[];
  /** For an application that is not at the root of its host. It is told the stories of browsers, and `stories`. */
  readonly below?: {
    /** Where it is, such as "/shop". */
    readonly path: string;
    /** A folder beside this file, whose files replace those of the example. */
    readonly files: string;
    /** What is written before what, in files of the example. */
    readonly edits: readonly { readonly file: string; readonly before: string; readonly text: string }[];
    /** Over HTTP, and in browsers besides all others. */
    readonly stories: readonly Story[];
  };
}

/** How a framework answers a form that another site sends. */
export interface CrossSite {
  readonly status: number;
  readonly says: RegExp;
}

/** Over HTTP, or in each browser. */
export type Story = { readonly name: string } & (
  | { run(site: Site): Promise<void> }
  | { readonly only?: BrowserKind["name"]; inBrowser(browsers: Browsers, site: Site): Promise<void> }
);

/** A running application behind a proxy that speaks https. */
export interface Site {
  /** Such as https://127.0.0.1:4000. */
  readonly origin: string;
  /** SHA-256 of the proxy's public key, as Chromium's flags take it. */
  readonly pin: string;
  /** Everything that the application has printed. */
  printed(): string;
  /** Starts the application again, with its clock so many milliseconds ahead. */
  restart(ahead: number): Promise<void>;
}

export interface Installed {
  readonly folder: string;
  readonly milliseconds: number;
}

/** A copy of the example outside the repository. */
export async function install({ name }: Framework, tarball: string): Promise<Installed> {
  const folder = temporaryFolder(name);
  cpSync(join(ROOT, "examples", name), folder, {
    recursive: true,
    filter: (file) => !/(?:^|\/)(?:node_modules|\.next|\.svelte-kit|build)$/.test(file),
  });
  const fixtures = join(import.meta.dirname, name);
  if (existsSync(fixtures)) cpSync(fixtures, folder, { recursive: true });
  cpSync(tarball, join(folder, "psession.tgz"));
  // Not "ci": a lock file may lack an optional package of another system, which not every registry has.
  const values = ["install", "--no-save", "--no-audit", "--no-fund", "--prefer-offline"];
  return { folder, milliseconds: await timed(["npm", ...values], folder) };
}

/** Builds for production; gives the time it took. `env` is all that a build gets to know. */
export async function build(
  folder: string,
  { commands, copies = [], below }: Omit<Build, "name" | "start">,
  env: Readonly<Record<string, string>> = {},
): Promise<number> {
  if (below !== undefined) {
    cpSync(join(import.meta.dirname, below.files), folder, { recursive: true });
    for (const { file, before, text } of below.edits) {
      const path = join(folder, file);
      const source = readFileSync(path, "utf8");
      if (source.split(before).length !== 2) throw new Error(`${file} does not have "${before}" once.`);
      writeFileSync(
        path,
        source.replace(before, () => text + before),
      );
    }
  }
  let milliseconds = 0;
  for (const command of commands) milliseconds += await timed(command, folder, env);
  for (const [from, to] of copies) cpSync(join(folder, from), join(folder, to), { recursive: true });
  return milliseconds;
}

/** Runs it to its end, which has to be a good one; gives the time it took. */
export async function timed(
  command: Command,
  folder: string,
  env: Readonly<Record<string, string>> = {},
): Promise<number> {
  const began = performance.now();
  const { code, output } = await ran(command, folder, env);
  if (code !== 0) throw new Error(`${command.join(" ")} failed:\n${output}`);
  return Math.round(performance.now() - began);
}

export const ran = (command: Command, folder: string, env: Readonly<Record<string, string>> = {}) => {
  const [program, values] = inFolder(folder, command);
  return run(program, values, folder, {
    NEXT_TELEMETRY_DISABLED: "1",
    NODE_ENV: "",
    SESSION_KEYS: "",
    ...env,
  });
};

const inFolder = (folder: string, [program, ...values]: Command): [string, string[]] => {
  const own = { node: process.execPath, npm: "npm" }[program];
  return [own ?? resolve(folder, "node_modules/.bin", program), values];
};

/** A place on the network for an application: browsers find it at `origin`, and a proxy there passes on to `port`. */
export interface Place {
  readonly origin: string;
  readonly port: number;
  close(): Promise<void>;
}

export async function place(): Promise<Place> {
  const port = await freePort();
  return { port, ...(await startProxy(port)) };
}

/** Starts a build; `milliseconds` until it has answered. */
export async function start(
  folder: string,
  { start: command }: Build,
  { origin, port }: Place,
): Promise<{ site: Site; milliseconds: number; stop: () => Promise<void> }> {
  const sessionFile = join(temporaryFolder("sessions"), "sessions.sqlite");
  let printed = "";
  let child: ChildProcess | undefined;

  const stop = async () => {
    if (child === undefined || child.exitCode !== null) return;
    const ended = new Promise((done) => child?.once("exit", done));
    child.kill();
    await ended;
  };
  const startChild = async (ahead: number): Promise<number> => {
    await stop();
    const began = performance.now();
    const started = spawn(...inFolder(folder, command), {
      cwd: folder,
      env: {
        ...process.env,
        NODE_ENV: "production",
        NODE_OPTIONS: `--import ${join(import.meta.dirname, "clock-ahead.mjs")}`,
        CLOCK_AHEAD: String(ahead),
        HOST: "127.0.0.1",
        HOSTNAME: "127.0.0.1",
        PORT: String(port),
        SESSION_KEYS: "Nq8Lw3Zt6Vx1Rb9Ks4Yd7Gh2Jf5Mp0Ca",
        SESSION_FILE: sessionFile,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    child = started;
    for (const stream of [started.stdout, started.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (printed += text));
    await untilItAnswers(
      port,
      () => started.exitCode !== null,
      () => printed,
    );
    return Math.round(performance.now() - began);
  };

  const milliseconds = await startChild(0);
  return {
    site: {
      origin,
      pin: PIN,
      printed: () => printed,
      restart: async (ahead) => void (await startChild(ahead)),
    },
    milliseconds,
    stop,
  };
}

/** As nginx before an application: it speaks https, and says so. */
async function startProxy(port: number): Promise<{ origin: string; close: () => Promise<void> }> {
  const server = createSecureServer(certificate, (incoming, outgoing) => {
    const { method = "GET", url = "/", headers, socket } = incoming;
    if (url.includes("/kept-by-browsers"))
      return void outgoing.setHeader("content-type", "text/html").end(KEPT);
    const forwarded = {
      ...headers,
      "x-forwarded-proto": "https",
      "x-forwarded-for": socket.remoteAddress ?? "",
      "x-forwarded-host": headers.host ?? "",
    };
    const call = plainRequest(
      { host: "127.0.0.1", port, method, path: url, headers: forwarded },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        answer.pipe(outgoing);
      },
    );
    call.once("error", () => outgoing.destroy());
    incoming.pipe(call);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

/** The only wait is for a refused connection to be refused no more. */
async function untilItAnswers(port: number, hasEnded: () => boolean, printed: () => string): Promise<void> {
  while (!hasEnded()) {
    try {
      await fetch(`http://127.0.0.1:${port}/login`);
      return;
    } catch {
      await new Promise((done) => setTimeout(done, 50));
    }
  }
  throw new Error(`The application did not start:\n${printed()}`);
}
