import * as v from "valibot";
import { checkedOptions } from "../../checks/faults.ts";
import { isPsession, NO_PSESSION } from "../../checks/given.ts";
import type { SessionData } from "../../data/typing.ts";
import type { IdentityOf } from "../../integration/identity.ts";
import type { Psession } from "../../psession.ts";
import type { UserId } from "../../stores/store.ts";
import { warnOnce } from "../../telemetry/warnings.ts";

/** Options of the plugin. */
export interface SessionsOptions<Data extends object = SessionData> {
  psession: Psession<Data>;
  /**
   * When sessions are read: by `await request.openSession()`, or before every handler, as plugins that use
   * `request.session` in their own hooks need it. A route overrides it by `config: { session: true }` or `false`.
   * Default: "lazy".
   */
  open?: "lazy" | "always" | undefined;
  /**
   * The user's id in the data, if something else than psession signs users in: a user who appears there is signed
   * in, a user who disappears is signed out. Default: the user of `@fastify/passport`; false ignores the data.
   */
  user?: IdentityOf<Data> | false | undefined;
}

const schema = v.strictObject({
  psession: v.custom<Psession>(isPsession, NO_PSESSION),
  open: v.optional(v.picklist(["lazy", "always"], 'must be "lazy" or "always"'), "lazy"),
  user: v.optional(
    v.custom<IdentityOf<object> | false>(
      (value) => value === false || typeof value === "function",
      "must be a function that gives a user's id, or false",
    ),
  ),
  // Fastify's own options for every plugin.
  prefix: v.optional(v.any()),
  logLevel: v.optional(v.any()),
  logSerializers: v.optional(v.any()),
});

export function checkOptions<Data extends object>(options: SessionsOptions<Data>) {
  const { open } = checkedOptions("The plugin psession/fastify", schema, options);
  const { psession, user = userOfPassport } = options;
  return {
    psession,
    opensAlways: open === "always",
    identityOf: user === false ? undefined : user,
  };
}

function userOfPassport(data: object): UserId | undefined {
  const { passport } = data as { passport?: unknown };
  if (typeof passport === "string" || typeof passport === "number") return passport;
  if (passport === undefined || passport === null) return undefined;
  warnOnce(
    "PSESSION_UNKNOWN_USER",
    "Passport keeps something in the session that is no user's id, so psession does not know the user. " +
      "Serialize users to their ids, or register psession/fastify with { user: (data) => data.passport?.id }.",
  );
  return undefined;
}
