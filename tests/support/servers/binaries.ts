import { accessSync, constants, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { Need } from "./reach.ts";

const DEBIAN_POSTGRES = "/usr/lib/postgresql";

/** The programs that each kind of server is started with. */
const PROGRAMS = {
  postgres: ["initdb", "postgres"],
  mariadb: ["mariadb-install-db", "mariadbd"],
  redis: ["redis-server"],
  pgbouncer: ["pgbouncer"],
  haproxy: ["haproxy"],
  nginx: ["nginx"],
} as const;

export type Kind = keyof typeof PROGRAMS;
export type Binaries<K extends Kind> = Readonly<Record<(typeof PROGRAMS)[K][number], string>>;

/** Paths of the programs that start such a server, or undefined unless all of them are installed. */
export function binariesOf<K extends Kind>(kind: K): Binaries<K> | undefined {
  const found: Record<string, string> = {};
  for (const program of PROGRAMS[kind]) {
    const path = [...pathFolders(), ...(kind === "postgres" ? postgresFolders() : [])]
      .map((folder) => join(folder, program))
      .find(isExecutable);
    if (path === undefined) return undefined;
    found[program] = path;
  }
  return found as Binaries<K>;
}

export const POSTGRES_BINARIES = binariesNeed("postgres", "postgresql");
export const MARIADB_BINARIES = binariesNeed("mariadb", "mariadb-server");

export const PGBOUNCER_BINARY = binariesNeed("pgbouncer", "pgbouncer");
export const HAPROXY_BINARY = binariesNeed("haproxy", "haproxy");
export const NGINX_BINARY = binariesNeed("nginx", "nginx");

/** For `describeWith`: the programs of `kind`, which Debian's package `debian` has. */
export function binariesNeed(kind: Kind, debian: string): Need {
  return {
    name: PROGRAMS[kind].join(" and "),
    remedy: `install ${debian}`,
    ask: async () => {
      if (binariesOf(kind) === undefined) throw new Error("not installed");
    },
  };
}

/** Also the folders for administrators' programs, which other users' PATH leaves out. */
function pathFolders(): string[] {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return [...folders, "/usr/local/sbin", "/usr/sbin"];
}

/** Debian keeps PostgreSQL out of PATH, by version; newest first. */
function postgresFolders(): string[] {
  let versions: string[] = [];
  try {
    versions = readdirSync(DEBIAN_POSTGRES);
  } catch {
    return [];
  }
  return versions
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(DEBIAN_POSTGRES, version, "bin"));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
