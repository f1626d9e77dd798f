/** Death at a chosen point, inside a server process. */
import type { DatabaseSync } from "node:sqlite";
import type { Store } from "../../src/index.ts";
import type { SqliteDatabase, SqliteStatement } from "../../src/stores/sqlite/index.ts";
import { intercepted } from "../support/stores.ts";
import type { KillPoint } from "./messages.ts";

/** Kills this process when it comes by the armed point for the given time. */
export class Faults {
  #armed: KillPoint | undefined;
  #left = 0;

  arm(point: KillPoint, after: number): void {
    this.#armed = point;
    this.#left = after;
  }

  disarm(): void {
    this.#armed = undefined;
  }

  /** SIGKILL to oneself is delivered before the call returns: not one statement more is executed. */
  reach(point: KillPoint): void {
    if (point !== this.#armed) return;
    this.#left--;
    if (this.#left === 0) process.kill(process.pid, "SIGKILL");
  }
}

export function mortalStore(store: Store, faults: Faults): Store {
  return intercepted(store, (name, call) => {
    if (name === "apply") faults.reach("beforeApply");
    return call();
  });
}

export function mortalDatabase(database: DatabaseSync, faults: Faults): SqliteDatabase {
  return {
    get isTransaction() {
      return database.isTransaction;
    },
    exec(sql) {
      if (sql === "COMMIT") faults.reach("beforeCommit");
      database.exec(sql);
      if (sql === "COMMIT") faults.reach("afterCommit");
    },
    prepare: (sql) => mortalStatement(database, sql, faults),
    close: () => database.close(),
  };
}

function mortalStatement(database: DatabaseSync, sql: string, faults: Faults): SqliteStatement {
  const statement = database.prepare(sql);
  return {
    all(...values) {
      const rows = statement.all(...values);
      if (!database.isTransaction) faults.reach("reading");
      return rows;
    },
    get(...values) {
      const row = statement.get(...values);
      if (!database.isTransaction) faults.reach("reading");
      return row;
    },
    run(...values) {
      const result = statement.run(...values);
      if (database.isTransaction) faults.reach("midTransaction");
      return result;
    },
  };
}
