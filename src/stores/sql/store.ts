import { systemClock } from "../../protocol/clock.ts";
import { sameDigest } from "../../protocol/secrets.ts";
import { tellOfBatch } from "../../telemetry/tracing.ts";
import type { AuditTrail } from "../audit.ts";
import { Batch } from "../batch.ts";
import { performed } from "../changes.ts";
import { targetOf } from "../devices.ts";
import type {
  Change,
  ChangeParts,
  ChangeResult,
  Ended,
  EndSelector,
  ListedEntry,
  MigrateOptions,
  PruneResult,
  Remembered,
  SessionRow,
  Store,
  StoreAdmin,
  StoreLocks,
  Touch,
  UserId,
  UserIdKind,
  Write,
} from "../store.ts";
import { integerIn } from "./answers.ts";
import { insertsOnly, isSingleWrite, withoutEmptyProof } from "./changes.ts";
import type { SqlDriver } from "./driver.ts";
import { isOutage } from "./errors.ts";
import { isMigrated, lockedMigration } from "./migrations.ts";
import { browseProgram, inspectProgram } from "./programs/admin.ts";
import { applyAtOnceProgram, applyProgram, touchProgram } from "./programs/apply.ts";
import { SqlTrail } from "./programs/audit.ts";
import { endProgram, ofUser } from "./programs/end.ts";
import { endEveryone } from "./programs/end-everyone.ts";
import { lockProgram, pruneProgram } from "./programs/keep-house.ts";
import { LostCondition, UnsureProof } from "./programs/lost.ts";
import { nameProgram } from "./programs/name.ts";
import { assertValuesSurvive } from "./programs/probe.ts";
import { Runner, type RunnerParts } from "./runner.ts";
import type { Sql } from "./sql.ts";
import type { Program, Statement } from "./statement.ts";
import type { Prunable } from "./statements.ts";
import { TouchQueue } from "./touch-queue.ts";

export interface SqlStoreParts extends RunnerParts {
  /** Create or update the tables before the first use. */
  readonly migrates: boolean;
}

/** What creates or changes tables may take longer than a request, and wait for another process that does it. */
const MIGRATION_TIMEOUT = 60_000;

/** A store whose database is reached over a connection: the programs of `sql/`, run by a driver. */
export class SqlStore implements Store {
  readonly name: string;
  readonly userIds: UserIdKind;
  /** @internal */
  readonly statements: Sql;
  readonly #driver: SqlDriver;
  readonly #runner: Runner;
  readonly #reads: Batch<string, SessionRow>;
  readonly #touches: TouchQueue;
  readonly audit: AuditTrail | undefined;
  readonly clock: Store["clock"];
  readonly #migrates: boolean;
  /** Values are known to survive, and the tables to be there, or to be somebody else's business. */
  #isReady = false;
  #preparing: Promise<void> | undefined;
  #migrating: Promise<readonly string[]> | undefined;

  constructor({ migrates, ...parts }: SqlStoreParts) {
    const { name, statements, driver } = parts;
    this.name = name;
    this.userIds = statements.schema.userIds;
    this.statements = statements;
    this.#driver = driver;
    this.#runner = new Runner(parts);
    this.#migrates = migrates;
    this.#reads = new Batch((ids) => this.#findSessions(ids), { isOutage });
    this.#touches = new TouchQueue((touches) => this.#touchAll(touches), isOutage);
    const run = async <T>(make: () => Program<T>) =>
      (await this.#whenReady()).run(make, { isRepeatable: true });
    this.audit = statements.schema.keepsAudit
      ? new SqlTrail(statements, { read: run, write: run })
      : undefined;
    const { clock } = statements.dialect;
    this.clock = clock === undefined ? undefined : () => this.#now(clock);
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

  async findRemembered(id: string): Promise<Remembered | undefined> {
    const runner = await this.#whenReady();
    return runner.read(this.statements.findRemembered(id), ([raw]) => this.statements.readRemembered(raw));
  }

  apply(change: Change): Promise<ChangeResult> {
    return performed(change, {
      write: (write) => this.#write(withoutEmptyProof(write)),
      revoke: (selector) => this.#revoke(selector),
      name: async (naming) =>
        (await this.#whenReady()).transact(() => nameProgram(this.statements, naming), {
          isRepeatable: true,
        }),
    });
  }

  async #write(change: Write): Promise<ChangeResult> {
    const { statements } = this;
    const { dialect } = statements;
    const isSingle = isSingleWrite(change);
    const atOnce = isSingle ? undefined : dialect.applyAtOnce?.(statements, change);
    const options = { isRepeatable: insertsOnly(change) };
    let tries = 0;
    const program = () => {
      tries++;
      return atOnce === undefined
        ? applyProgram(statements, change)
        : applyAtOnceProgram(statements, change, atOnce);
    };
    const provingFirst = () => {
      tries++;
      return applyProgram(statements, change, { provesFirst: true });
    };
    const runner = await this.#whenReady();
    const isOneStatement = isSingle || atOnce !== undefined;
    try {
      const ended = await (isOneStatement
        ? runner.run(program, options)
        : runner.transact(program, options)
      ).catch((error: unknown) => {
        if (!(error instanceof UnsureProof)) throw error;
        // That try is known to have changed nothing.
        tries--;
        return runner.transact(provingFirst, options);
      });
      return { done: true, ended };
    } catch (error) {
      if (!(error instanceof LostCondition)) throw error;
      const { lost } = error;
      // A mark that was set after the first try, and spared what that made.
      const isNoWonder = lost === "exists" || lost === "outdated";
      const mayBeOurs = insertsOnly(change) && tries > 1 && isNoWonder;
      return mayBeOurs && (await this.#isThere(change)) ? { done: true, ended: [] } : { done: false, lost };
    }
  }

  /** The rows of a change that was tried again are there: the first try succeeded, and its answer got lost. */
  async #isThere({ insert, remember }: ChangeParts): Promise<boolean> {
    const found = remember === undefined ? undefined : await this.findRemembered(remember.id);
    const login = found?.login;
    const isLoginOurs = login?.revokedAt === undefined && sameDigest(login?.token ?? NONE, remember?.token);
    if (remember !== undefined && !isLoginOurs) return false;
    if (insert === undefined) return true;
    // By the secret: the same request may have made a row of this id before, with another one.
    const session = remember === undefined ? await this.findSession(insert.id) : found?.session;
    return session?.id === insert.id && sameDigest(session.secret, insert.secret);
  }

  async touch(touches: readonly Touch[]): Promise<void> {
    await this.#touches.add(touches);
  }

  async #revoke(selector: EndSelector): Promise<readonly Ended[]> {
    const target = targetOf(selector);
    if (target === "nothing") return [];
    const runner = await this.#whenReady();
    if (target === "some") return runner.transact(() => endProgram(this.statements, selector));
    return endEveryone(this.statements, selector, (make) => runner.transact(make));
  }

  async list(userId: UserId): Promise<readonly ListedEntry[]> {
    return (await this.#whenReady()).run(() => ofUser(this.statements, userId), { isRepeatable: true });
  }

  async prune(now: number, limit: number): Promise<PruneResult> {
    const runner = await this.#whenReady();
    const prune = (table: Exclude<Prunable, "audit">) =>
      runner.run(() => pruneProgram(this.statements, table, now, limit));
    const result = { sessions: await prune("sessions"), logins: await prune("logins") };
    for (const table of ["locks", "marks"] as const) await prune(table);
    return result;
  }

  readonly locks: StoreLocks = {
    acquire: async (request) => (await this.#whenReady()).run(() => lockProgram(this.statements, request)),
    release: async (name, owner) =>
      (await this.#whenReady()).run(() => single(this.statements.releaseLock(name, owner))),
  };

  /** Administration reads past the tables' being there: what is missing is what it is asked for. */
  readonly admin: StoreAdmin = {
    browse: async (page) =>
      (await this.#whenReady()).run(() => browseProgram(this.statements, page), { isRepeatable: true }),
    inspect: () => this.#runner.run(() => inspectProgram(this.statements), { isRepeatable: true }),
  };

  async close(): Promise<void> {
    await this.#driver.close();
  }

  async #now(clock: string): Promise<number> {
    return this.#runner.read({ sql: clock, values: [], returns: true }, ([row]) => integerIn(row, "now"));
  }

  async #findSessions(ids: readonly string[]): Promise<ReadonlyMap<string, SessionRow>> {
    const statements = this.statements;
    tellOfBatch(this.name, "findSession", ids.length);
    // Every request comes by here: no turn of the event loop more than needed.
    const runner = this.#isReady ? this.#runner : await this.#whenReady();
    return runner.read(statements.findSessions(ids), (rows) => {
      const found = new Map<string, SessionRow>();
      for (const raw of rows) {
        const row = statements.readSession(raw);
        if (row !== undefined) found.set(row.id, row);
      }
      return found;
    });
  }

  async #touchAll(touches: readonly Touch[]): Promise<void> {
    const statements = this.statements;
    tellOfBatch(this.name, "touch", touches.length);
    const plain = touches.filter(({ remembered }) => remembered?.confirm === undefined);
    const confirming = touches.filter(({ remembered }) => remembered?.confirm !== undefined);
    const runner = await this.#whenReady();
    const atOnce = plain.length > 0 ? statements.dialect.touchAll?.(statements, plain) : [];
    if (atOnce === undefined) return runner.transact(() => touchProgram(statements, touches));
    for (const statement of atOnce) await runner.run(() => single(statement), { isRepeatable: true });
    if (confirming.length > 0) await runner.transact(() => touchProgram(statements, confirming));
  }

  /** The runner, once the tables are there. What failed is tried again by the next who comes. */
  async #whenReady(): Promise<Runner> {
    if (this.#isReady) return this.#runner;
    this.#preparing ??= this.#prepare().finally(() => {
      this.#preparing = undefined;
    });
    await this.#runner.patiently(this.#preparing);
    return this.#runner;
  }

  async #prepare(): Promise<void> {
    if (this.#migrates) await this.migrate();
    else await this.#assertValuesSurvive();
    this.#isReady = true;
  }

  #assertValuesSurvive(): Promise<void> {
    return this.#runner.run(() => assertValuesSurvive(this.statements), { isRepeatable: true });
  }

  async #migrate(options: MigrateOptions = {}): Promise<readonly string[]> {
    const statements = this.statements;
    await this.#assertValuesSurvive();
    const isDone = await this.#runner.run(() => isMigrated(statements, options), { isRepeatable: true });
    if (isDone) return [];
    const program = () => lockedMigration(statements, systemClock.now(), options);
    return this.#runner.transact(program, { isRepeatable: true, timeout: MIGRATION_TIMEOUT });
  }
}

const NONE = new Uint8Array();

function* single(statement: Statement): Program<void> {
  yield statement;
}
