import type { UserIdKind } from "../../checks/user-id.ts";
import { sameDigest } from "../../protocol/secrets.ts";
import type { AddressPage, AddressResult, AuditTrail } from "../audit.ts";
import { performed } from "../changes.ts";
import { targetOf } from "../devices.ts";
import type {
  Change,
  ChangeParts,
  ChangeResult,
  Ended,
  EndSelector,
  ListedEntry,
  PruneResult,
  Remembered,
  SessionRow,
  Store,
  StoreAdmin,
  StoreLocks,
  Touch,
  UserId,
  UserRows,
  Write,
} from "../store.ts";
import { Misread } from "./answers.ts";
import { insertsOnly, isSingleWrite, withoutEmptyProof } from "./changes.ts";
import { browseProgram, inspectProgram } from "./programs/admin.ts";
import { applyAtOnceProgram, applyProgram } from "./programs/apply.ts";
import { SqlTrail } from "./programs/audit.ts";
import { ConditionFailed, UnsureProof } from "./programs/conflict.ts";
import { endProgram, ofUser } from "./programs/end.ts";
import { endEveryone } from "./programs/end-everyone.ts";
import { erase, forgetAddresses, rowsOf } from "./programs/erase.ts";
import { lockProgram, pruneProgram, releaseLock } from "./programs/keep-house.ts";
import { nameProgram } from "./programs/name.ts";
import type { Sql } from "./sql.ts";
import type { Program, Statement } from "./statement.ts";
import type { Prunable } from "./statements.ts";

/** How a database runs programs. All retry after a conflict of locks; what fails in the end is a `PsessionError`. */
export interface Runs {
  /** What changes nothing. */
  read<T>(make: () => Program<T>): Promise<T>;
  /** Independent statements. `isRepeatable`: running them twice has the effect of running them once. */
  run<T>(make: () => Program<T>, options?: { readonly isRepeatable?: boolean }): Promise<T>;
  /** All of a program or nothing of it. */
  transact<T>(make: () => Program<T>, options?: { readonly isRepeatable?: boolean }): Promise<T>;
}

/** A store made of programs, whatever runs them. */
export abstract class ProgramStore implements Store {
  readonly userIds: UserIdKind;
  /** @internal */
  readonly statements: Sql;
  readonly audit: AuditTrail | undefined;

  constructor(statements: Sql) {
    this.userIds = statements.schema.userIds;
    this.statements = statements;
    this.audit = statements.schema.keepsAudit
      ? new SqlTrail(statements, {
          read: async (make) => (await this.whenReady()).read(make),
          write: async (make) => (await this.whenReady()).run(make, { isRepeatable: true }),
          transact: async (make) => (await this.whenReady()).transact(make, { isRepeatable: true }),
        })
      : undefined;
  }

  abstract readonly name: string;
  abstract findSession(id: string): Promise<SessionRow | undefined>;
  abstract touch(touches: readonly Touch[]): Promise<void>;
  abstract migrate(): Promise<readonly string[]>;
  abstract close(): Promise<void>;

  /**
   * Whether or not the tables are there.
   * @internal
   */
  protected abstract readonly runs: Runs;
  /**
   * Once the tables are there.
   * @internal
   */
  protected abstract whenReady(): Promise<Runs>;

  async findRemembered(id: string): Promise<Remembered | undefined> {
    const { statements } = this;
    return (await this.whenReady()).read(function* () {
      const { rows } = yield statements.findRemembered(id);
      const found = statements.readRemembered(rows[0]);
      if (found !== undefined && found.login.id !== id)
        throw new Misread("A login came that was not asked for");
      return found;
    });
  }

  apply(change: Change): Promise<ChangeResult> {
    return performed(change, {
      write: (write) => this.#write(withoutEmptyProof(write)),
      revoke: (selector) => this.#revoke(selector),
      name: async (naming) =>
        (await this.whenReady()).transact(() => nameProgram(this.statements, naming), {
          isRepeatable: true,
        }),
      erase: async (change) => {
        const runner = await this.whenReady();
        return erase(this.statements, change, (make) => runner.transact(make, { isRepeatable: true }));
      },
    });
  }

  async #write(change: Write): Promise<ChangeResult> {
    const { statements } = this;
    const { dialect } = statements;
    const isSingle = isSingleWrite(change);
    const atOnce = isSingle ? undefined : dialect.applyAtOnce?.(statements, change);
    const inserting = insertsOnly(change) ? change : undefined;
    const options = { isRepeatable: inserting !== undefined };
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
    const runner = await this.whenReady();
    const isOneStatement = isSingle || atOnce !== undefined;
    try {
      const ended = await (isOneStatement
        ? runner.run(program, options)
        : runner.transact(program, options)
      ).catch((error: unknown) => {
        if (!(error instanceof UnsureProof)) throw error;
        // That try changed nothing.
        tries--;
        return runner.transact(provingFirst, options);
      });
      return { done: true, ended };
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      const { conflict } = error;
      // A mark that was set after the first try, and spared what that made.
      const isNoWonder = conflict === "exists" || conflict === "outdated";
      const mayBeOurs = inserting !== undefined && tries > 1 && isNoWonder;
      return mayBeOurs && (await this.#isThere(inserting))
        ? { done: true, ended: [] }
        : { done: false, conflict };
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

  async #revoke(selector: EndSelector): Promise<readonly Ended[]> {
    const target = targetOf(selector);
    if (target === "nothing") return [];
    const runner = await this.whenReady();
    if (target === "some") return runner.transact(() => endProgram(this.statements, selector));
    return endEveryone(this.statements, selector, (make) => runner.transact(make));
  }

  async list(userId: UserId): Promise<readonly ListedEntry[]> {
    return (await this.whenReady()).read(() => ofUser(this.statements, userId));
  }

  async rowsOf(userId: UserId): Promise<UserRows> {
    return (await this.whenReady()).read(() => rowsOf(this.statements, userId));
  }

  async forgetAddresses(page: AddressPage): Promise<AddressResult> {
    const runner = await this.whenReady();
    return runner.run(() => forgetAddresses(this.statements, page), { isRepeatable: true });
  }

  async prune(now: number, limit: number): Promise<PruneResult> {
    const runner = await this.whenReady();
    const prune = (table: Exclude<Prunable, "audit">) =>
      runner.run(() => pruneProgram(this.statements, table, now, limit));
    const result = { sessions: await prune("sessions"), logins: await prune("logins") };
    for (const table of ["locks", "marks"] as const) await prune(table);
    return result;
  }

  readonly locks: StoreLocks = {
    acquire: async (request) => (await this.whenReady()).run(() => lockProgram(this.statements, request)),
    release: async (name, owner) =>
      (await this.whenReady()).run(() => single(releaseLock(this.statements, name, owner))),
  };

  /** Administration does not require that the tables exist: it reports what is missing. */
  readonly admin: StoreAdmin = {
    browse: async (page) => (await this.whenReady()).read(() => browseProgram(this.statements, page)),
    inspect: () => this.runs.read(() => inspectProgram(this.statements)),
  };
}

const NONE = new Uint8Array();

export function* single(statement: Statement): Program<void> {
  yield statement;
}
