import { createHash } from "node:crypto";
import { systemClock } from "../../protocol/clock.ts";
import { publishBatch } from "../../telemetry/tracing.ts";
import { Batch } from "../batch.ts";
import type { MigrateOptions, SessionRow, Store, StoreChannel, Touch } from "../store.ts";
import { integerIn, Misread } from "./answers.ts";
import type { SqlDriver } from "./driver.ts";
import { isOutage } from "./errors.ts";
import { isMigrated, lockedMigration } from "./migrations.ts";
import { ProgramStore, single } from "./program-store.ts";
import { touchProgram } from "./programs/apply.ts";
import { assertValuesSurvive } from "./programs/probe.ts";
import { Runner, type RunnerParts } from "./runner.ts";
import type { Sql } from "./sql.ts";
import { TouchQueue } from "./touch-queue.ts";

export interface SqlStoreParts extends RunnerParts {
  /** Create or update the tables before the first use. */
  readonly migrates: boolean;
}

/** What creates or changes tables may take longer than a request, and wait for another process that does it. */
const MIGRATION_TIMEOUT = 60_000;

/** A store whose database is reached over a connection: the programs of `sql/`, run by a driver. */
export class SqlStore extends ProgramStore {
  readonly name: string;
  readonly #driver: SqlDriver;
  /** @internal */
  protected readonly runs: Runner;
  readonly #reads: Batch<string, SessionRow>;
  readonly #touches: TouchQueue;
  readonly clock: Store["clock"];
  readonly channel: StoreChannel | undefined;
  readonly #migrates: boolean;
  /** Values are known to survive, and the tables exist or are not psession's to create. */
  #isReady = false;
  #preparing: Promise<void> | undefined;
  #migrating: Promise<readonly string[]> | undefined;

  constructor({ migrates, ...parts }: SqlStoreParts) {
    const { name, statements, driver } = parts;
    super(statements);
    this.name = name;
    this.#driver = driver;
    this.runs = new Runner(parts);
    this.#migrates = migrates;
    this.#reads = new Batch((ids) => this.#findSessions(ids), { isOutage });
    this.#touches = new TouchQueue((touches) => this.#touchAll(touches), isOutage);
    const { clock } = statements.dialect;
    this.clock = clock === undefined ? undefined : () => this.#now(clock);
    this.channel = channelOf(statements, driver, this.runs);
  }

  /** Creates or updates the tables. Many processes may do so at once. Says which migrations ran. */
  async migrate(options: MigrateOptions = {}): Promise<readonly string[]> {
    if (options.remakesEmpty) return this.#migrate(options);
    this.#migrating ??= this.#migrate().finally(() => {
      this.#migrating = undefined;
    });
    return this.#migrating;
  }

  findSession(id: string): Promise<SessionRow | undefined> {
    return this.#reads.get(id);
  }

  async touch(touches: readonly Touch[]): Promise<void> {
    await this.#touches.add(touches);
  }

  async close(): Promise<void> {
    await this.#driver.close();
  }

  async #now(clock: string): Promise<number> {
    return this.runs.select({ sql: clock, values: [], returns: true }, ([row]) => integerIn(row, "now"));
  }

  async #findSessions(ids: readonly string[]): Promise<ReadonlyMap<string, SessionRow>> {
    const statements = this.statements;
    publishBatch(this.name, "findSession", ids.length);
    // Every request runs this: no turn of the event loop more than needed.
    const runner = this.#isReady ? this.runs : await this.whenReady();
    return runner.select(statements.findSessions(ids), (rows) => {
      const found = new Map<string, SessionRow>();
      for (const raw of rows) {
        const row = statements.readSession(raw);
        if (row === undefined) continue;
        // The answer to another question, as a driver gives that lost count of them: taken for "no such session", it
        // would cost an honest browser its cookie.
        if (!ids.includes(row.id)) throw new Misread("A session came that was not asked for");
        found.set(row.id, row);
      }
      return found;
    });
  }

  async #touchAll(touches: readonly Touch[]): Promise<void> {
    const statements = this.statements;
    publishBatch(this.name, "touch", touches.length);
    const plain = touches.filter(({ remembered }) => remembered?.confirm === undefined);
    const confirming = touches.filter(({ remembered }) => remembered?.confirm !== undefined);
    const runner = await this.whenReady();
    const atOnce = plain.length > 0 ? statements.dialect.touchAll?.(statements, plain) : [];
    if (atOnce === undefined) return runner.transact(() => touchProgram(statements, touches));
    for (const statement of atOnce) await runner.run(() => single(statement), { isRepeatable: true });
    if (confirming.length > 0) await runner.transact(() => touchProgram(statements, confirming));
  }

  /**
   * The runner, once the tables are there. After a failure the next call tries again.
   * @internal
   */
  protected async whenReady(): Promise<Runner> {
    if (this.#isReady) return this.runs;
    this.#preparing ??= this.#prepare().finally(() => {
      this.#preparing = undefined;
    });
    await this.runs.patiently(this.#preparing);
    return this.runs;
  }

  async #prepare(): Promise<void> {
    if (this.#migrates) await this.migrate();
    else await this.#assertValuesSurvive();
    this.#isReady = true;
  }

  #assertValuesSurvive(): Promise<void> {
    return this.runs.read(() => assertValuesSurvive(this.statements));
  }

  async #migrate(options: MigrateOptions = {}): Promise<readonly string[]> {
    const statements = this.statements;
    await this.#assertValuesSurvive();
    const isDone = await this.runs.read(() => isMigrated(statements, options));
    if (isDone) return [];
    const program = () => lockedMigration(statements, systemClock.now(), options);
    return this.runs.transact(program, { isRepeatable: true, timeout: MIGRATION_TIMEOUT });
  }
}

/** One for all stores of a database whose tables have the same name: messages are ids, which are of one of them. */
function channelOf({ dialect, schema }: Sql, { listen }: SqlDriver, runs: Runner): StoreChannel | undefined {
  const { notify } = dialect;
  if (notify === undefined || listen === undefined) return undefined;
  // The server takes 63 bytes of a name, and cuts off the rest.
  const name = `psession_${createHash("sha256").update(schema.sessions.name).digest("hex").slice(0, 16)}`;
  return {
    publish: (text) => runs.select(notify(name, text), () => undefined),
    subscribe: (listener) => listen(name, listener),
  };
}
