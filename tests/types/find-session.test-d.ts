import type { Kysely } from "kysely";
import type { PreviousSession, Session } from "psession";
import { findSession, kyselyStore, type PsessionTables } from "psession/kysely";

interface Database extends PsessionTables<number> {
  users: { id: number; email: string };
  teams: { id: number; owner_id: number; title: string };
}

declare const db: Kysely<Database>;
declare const session: Session<{ cart: string[] }>;
declare const usual: Session;

const store = kyselyStore({ db, userIds: "integer" });
// @ts-expect-error: psession has no statements for it
kyselyStore({ db, dialect: "mssql" });

const found = await findSession(store, db.selectFrom("users as u"), { session })
  .innerJoin("teams", "teams.owner_id", "u.id")
  .where("u.email", "=", "ada@example.com")
  .selectAll("u")
  .select(({ fn }) => ["teams.title", fn.countAll<number>().as("n")])
  .executeTakeFirstOrThrow();
const email: string = found.email;
const own: [number, string, number] = [found.id, found.title, found.n];
const seen: number | undefined = found.psession.previous?.lastSeenAt;
const generation: number | undefined = found.psession.remembered?.generation;
const previous: PreviousSession | null = found.psession.previous;
// @ts-expect-error: there may be none
found.psession.previous.data;
// @ts-expect-error: only what the query selects
found.owner_id;
await session.login(found.id, { previous: found.psession.previous });

// @ts-expect-error: no such column
findSession(store, db.selectFrom("users"), { session: usual }).where("users.mail", "=", "x");
// @ts-expect-error: no such table
findSession(store, db.selectFrom("people"), { session: usual });
const maybe = await findSession(store, db.selectFrom("users"), { session: usual }).executeTakeFirst();
const remembered: string | undefined = maybe?.psession.remembered?.id;

const online = await db.selectFrom("psession_sessions").select(["user_id", "level"]).execute();
const ids: (number | null)[] = online.map(({ user_id }) => user_id);
// @ts-expect-error: psession writes its tables itself
db.updateTable("psession_sessions").set({ user_id: 1 });

export { email, generation, ids, own, previous, remembered, seen };
