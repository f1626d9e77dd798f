import { randomInt, randomUUID } from "node:crypto";
import { reasonOf } from "../../errors.ts";
import { sessionCookieValue } from "../../http/cookies.ts";
import type { Settings } from "../../options/settings.ts";
import { newOffer, readBound } from "../../protocol/bound.ts";
import { newId, newSecret, type Secret } from "../../protocol/secrets.ts";
import { factsOf } from "../../request/facts.ts";
import { endingOf, newSessionRow } from "../../request/rows.ts";
import type { SessionRow, UserId, UserIdKind } from "../../stores/store.ts";
import { KeyHolder } from "../../testing/http/key-holder.ts";
import { changedCookie, PASS_ON, unreachable } from "./device-bound.ts";
import { error, type Finding, note } from "./finding.ts";
import { type KeyAnswer, post } from "./key-requests.ts";

/** So long the made-up session lives where doctor is killed before it ends it. */
const LIFE = 120_000;

/**
 * Registers a key and proves it once, as a browser does, for a session of a made-up user that doctor writes to the store
 * itself, and ends afterwards.
 */
export async function rehearsalFindings(url: string, settings: Settings): Promise<Finding[]> {
  const { store, keys, clock, cookies } = settings;
  const secret = newSecret();
  const row = sessionOf(settings, secret);
  try {
    const { done } = await store.apply({ kind: "create", insert: row });
    if (!done) throw new Error("the store has that id");
  } catch (fault) {
    return [
      note(
        "binding_not_seen",
        `No session can be written for --bind (${reasonOf(fault)}), so no key was registered.`,
        "Where a foreign key asks for a user, doctor cannot make one up.",
      ),
    ];
  }
  try {
    const cookie = `${cookies.session.name}=${sessionCookieValue({ id: row.id, secret }, keys)}`;
    const challenge = newOffer({ sessionId: row.id, fence: row.fence }, clock.now(), keys);
    return await rehearsed(url, settings, { cookie, challenge });
  } finally {
    const bound = readBound((await store.findSession(row.id))?.bound);
    const key = bound === undefined ? [] : [{ id: bound.id, userId: undefined }];
    for (const one of [row, ...key])
      await store.apply({ kind: "end", end: [endingOf(one, "doctor", clock.now(), settings)] });
  }
}

async function rehearsed(
  url: string,
  { cookies, deviceBound }: Settings,
  { cookie, challenge }: { readonly cookie: string; readonly challenge: string },
): Promise<Finding[]> {
  const { origin } = new URL(url);
  const [register, refresh] = ["register", "refresh"].map((name) => `${origin}${deviceBound?.path}/${name}`);
  if (register === undefined || refresh === undefined) return [];
  const browser = new KeyHolder();
  const ask = (endpoint: string, headers: Record<string, string>) =>
    post(endpoint, cookies.bound, { cookie, ...headers });

  const registered = await ask(register, { "secure-session-response": browser.proof(challenge, {}, true) });
  if (registered.status === 403) return [refused(register)];
  const id = registered.body?.["session_identifier"];
  if (registered.status !== 200 || typeof id !== "string") return [unreachable(register, registered)];
  const findings = registrationFindings(origin, registered, cookies.bound);

  const named = { "sec-secure-session-id": `"${id}"` };
  const challenged = await ask(refresh, named);
  if (challenged.status !== 403) return [...findings, unreachable(refresh, challenged)];
  const [, next] =
    /^"([^"]+)";id="[^"]+"$/.exec(challenged.headers.get("secure-session-challenge") ?? "") ?? [];
  if (next === undefined) return [...findings, challengeStripped(refresh)];
  const proved = await ask(refresh, { ...named, "secure-session-response": browser.proof(next, {}, false) });
  return proved.status === 200 ? findings : [...findings, unreachable(refresh, proved)];
}

/** What the browser is told with a registration. */
function registrationFindings(
  origin: string,
  { body = {}, line }: KeyAnswer,
  definition: Settings["cookies"]["bound"],
): Finding[] {
  const findings: Finding[] = [];
  const { origin: said } = (body["scope"] ?? {}) as { readonly origin?: unknown };
  if (said !== origin) {
    findings.push(
      error(
        "binding_origin",
        `The application takes its origin for ${String(said)}, and browsers know it as ${origin}: they drop the key without a word, and copied cookies stay good.`,
        "Let the proxy pass on the Host that visitors ask for, or say it in X-Forwarded-Host; and let the application trust that proxy.",
      ),
    );
  }
  const [credential] = (body["credentials"] ?? []) as { readonly attributes?: string }[];
  const changed = changedCookie(definition, line, `${definition.name}=; ${credential?.attributes}`);
  return changed === undefined ? findings : [...findings, changed];
}

const refused = (endpoint: string): Finding =>
  error(
    "binding_refused",
    `POST ${endpoint} refuses the key of a session that doctor has just written: Secure-Session-Response or the session's cookie does not arrive, or the application has other keys or another database than this configuration.`,
    `${PASS_ON} Run doctor with the configuration of the application.`,
  );

const challengeStripped = (endpoint: string): Finding =>
  error(
    "binding_header_stripped",
    `Secure-Session-Challenge does not come back from POST ${endpoint}: browsers have nothing to sign, and users are signed out minutes after they signed in.`,
    PASS_ON,
  );

function sessionOf(settings: Settings, secret: Secret): SessionRow {
  const { clock, codec, realm, store } = settings;
  const now = clock.now();
  const row = newSessionRow(
    {
      id: newId(realm),
      secret,
      data: codec.encode({}),
      now,
      identity: {
        userId: madeUp(store.userIds),
        level: "login",
        authenticatedAt: now,
        proofs: undefined,
        rememberedId: undefined,
        confirmFrom: undefined,
      },
      facts: factsOf(() => undefined, { method: "POST", secure: true, address: undefined }),
    },
    settings,
  );
  const until = now + LIFE;
  return { ...row, idleDeadline: until, absoluteDeadline: until, absoluteFor: LIFE, pruneAfter: until };
}

/** No user of the application has this id. */
function madeUp(kind: UserIdKind): UserId {
  if (kind === "integer") return Number.MAX_SAFE_INTEGER - randomInt(2 ** 32);
  return kind === "uuid" ? randomUUID() : `psession-doctor-${randomUUID()}`;
}
