/** Types of kysely are others for `import` than for `require` before 0.29, and each has to go with ours. */
import type { Kysely } from "kysely";
import { createPsession, type Psession, type Session } from "psession";
import { findSession, kyselyStore, type PsessionTables } from "psession/kysely";

interface Database extends PsessionTables<number> {
  users: { id: number; email: string };
}

declare const db: Kysely<Database>;

const store = kyselyStore({ db, userIds: "integer", dialect: undefined });
const psession: Psession = createPsession({ store, keys: [process.env["KEY"]] });

export async function signIn(session: Session): Promise<number> {
  const query = findSession(store, db.selectFrom("users"), { session }).select("users.id");
  const { id, psession: found } = await query.executeTakeFirstOrThrow();
  await session.login(id, { previous: found.previous });
  return id;
}

export { psession };
