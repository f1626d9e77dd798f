/**
 * Counts all statements that this process sends, by any library: in a server child that is not measured. A
 * prepared statement or a script is one, as is each of BEGIN and COMMIT, of MULTI and EXEC, and what is within.
 */
import { tracingChannel } from "node:diagnostics_channel";
import { DatabaseSync, StatementSync } from "node:sqlite";
import Database from "better-sqlite3";
import mysql from "mysql2";
import pg from "pg";

let sent = 0;

export const statementsSent = (): number => sent;

/** Before anything is opened. */
export function countStatements(): void {
  count(pg.Client, ["query"]);
  count((mysql as unknown as { Connection: Class }).Connection, ["query", "execute"]);
  count(StatementSync, ["run", "get", "all", "iterate"]);
  count(DatabaseSync, ["exec"]);
  const memory = new Database(":memory:");
  count(memory.prepare("SELECT 1").constructor as Class, ["run", "get", "all", "iterate"]);
  count(Database, ["exec"]);
  memory.close();
  // node-redis reports each command itself, and those within a MULTI by their number.
  tracingChannel("node-redis:command").start.subscribe(() => {
    sent++;
  });
  tracingChannel("node-redis:batch").start.subscribe((message) => {
    const { batchMode, batchSize } = message as { batchMode: string; batchSize: number };
    if (batchMode === "MULTI") sent += batchSize + 2;
  });
}

type Class = { readonly prototype: object };

function count({ prototype }: Class, names: readonly string[]): void {
  for (const name of names) {
    const original: unknown = Reflect.get(prototype, name);
    if (typeof original !== "function") throw new Error(`A driver has no ${name} to be counted.`);
    Reflect.set(prototype, name, function (this: unknown, ...values: unknown[]) {
      sent++;
      return original.apply(this, values);
    });
  }
}
