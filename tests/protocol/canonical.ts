import { createHash } from "node:crypto";
import type { CookieInstruction } from "../../src/http/cookies.ts";
import type { RequestState } from "../../src/request/state.ts";
import type { RememberedRow, SessionRow } from "../../src/stores/store.ts";
import { digestIn } from "./digests.ts";
import { isFencing } from "./handlers.ts";
import type { Jar, Running } from "./request.ts";
import type { Rows } from "./rows.ts";
import type { Traveller, World } from "./world.ts";

/**
 * A world's text up to what makes no difference: secrets by the order in which they occur, times by their age
 * (all that are older than every window are one), generations and versions by their distance from the row's.
 */
export function canonical(world: World, oldest: number): string {
  const scribe = new Scribe(world, oldest);
  const { rows, ghost, other, replica, backup } = world;
  const flags = [
    ...[world.thefts, world.queued, world.tossed, world.isLimited, ghost.whose, ghost.whoseOnDisk],
    ...[
      ghost.hasEnded,
      ghost.isEmpty,
      ghost.signIns > 0,
      ghost.isReplaced,
      ghost.isThiefAbout,
      ghost.isSetBack,
    ],
  ];
  const parts = [
    scribe.rows(rows),
    scribe.jar(world.jar),
    scribe.jar(world.disk),
    scribe.age(world.dirtySince),
    flags.join(" "),
    ...world.travellers.map((traveller) => scribe.traveller(traveller)).sort(),
    ...[...new Set(world.loot.map((jar) => scribe.jar(jar)))].sort(),
    ...[other, replica === rows ? undefined : replica, ghost.isSetBack ? undefined : backup].map((side) =>
      side === undefined ? "" : scribe.rows(side),
    ),
    ...world.past.map(({ jar, until, whose, era }) =>
      [scribe.jar(jar), scribe.age(until), whose, era === ghost.era].join(" "),
    ),
  ];
  return createHash("sha1").update(parts.join("\n")).digest("base64");
}

class Scribe {
  readonly #names = new Map<string, number>();
  readonly #world: World;
  readonly #oldest: number;

  constructor(world: World, oldest: number) {
    this.#world = world;
    this.#oldest = oldest;
  }

  age(time: number | undefined): string {
    return time === undefined ? "-" : String(Math.min(this.#world.now - time, this.#oldest));
  }

  rows({ sessions, logins, marks }: Rows): string {
    const newest = marks.length === 0 ? undefined : Math.max(...marks.map(({ at }) => at));
    const lines = [
      ...[...logins.values()].map((row) => this.login(row)),
      ...[...sessions.values()].map((row) => this.session(row)),
    ];
    return `${lines.join("\n")} ${this.age(newest)}`;
  }

  login(row: RememberedRow): string {
    const { rotatedAt, confirmedAt, supersededAt, revokedAt } = row;
    const times = [rotatedAt, supersededAt, revokedAt].map((time) => this.age(time)).join(" ");
    return `L ${this.#name(row.id)} ${this.#bytes(row.token)} ${this.#bytes(row.previous)} ${this.#superseded(row)} ${this.#bytes(row.salt)} ${confirmedAt !== undefined} ${row.strays} ${times} ${this.#generation(row.id, row.generation)}`;
  }

  session(row: SessionRow): string {
    const times = `${this.age(row.secretAt)} ${this.age(row.confirmFrom)}`;
    const whose = `${row.userId} ${row.address}`;
    return `S ${whose} ${this.#name(row.id)} ${this.#bytes(row.secret)} ${this.#bytes(row.previousSecret)} ${this.#bytes(row.retiredSecret)} ${this.#fence(row)} ${this.#name(row.rememberedId)} ${row.level} ${times} ${this.#version(row)}`;
  }

  jar({ session, remember }: Jar): string {
    return `${this.#cookie(session)} / ${this.#cookie(remember)}`;
  }

  traveller(traveller: Traveller): string {
    const { owner, running, stage, origin, isOrphan } = traveller;
    const { cookies, handler, skew, arrivedAt, isWithheld, tossed, isLimited } = running;
    const { isBehind, isBeyond, stood } = traveller;
    const presented = isWithheld === true ? `from elsewhere ${this.jar(origin.jar)}` : this.jar(cookies);
    const whose = `${origin.whose} ${origin.era === this.#world.ghost.era} ${origin.isQueued}`;
    const where = `${isBehind} ${isBeyond} ${stood} ${tossed} ${isLimited} ${this.#fenced(cookies)}`;
    const base = `${owner} ${isOrphan} ${handler} ${skew} ${presented} ${whose} ${where} ${stage.kind}`;
    if (stage.kind === "sent" || stage.kind === "arrived")
      return `${base} ${this.age(stage.at)} ${this.age(arrivedAt)}`;
    if (stage.kind === "answered")
      return `${base} ${this.age(stage.at)} ${stage.cookies.map((cookie) => this.#instruction(cookie)).join(" ")}`;
    if (stage.kind === "handling") return `${base} ${this.#state(stage.state, running)}`;
    const answers = running.answers
      .map(({ value, at }) => `${this.age(at)} ${this.#answer(value)}`)
      .join(" ; ");
    const times = [running.openedAt, arrivedAt, running.commitAt].map((time) => this.age(time)).join(" ");
    return `${base} ${times} ${answers}`;
  }

  /** By what the secret of a session cookie was replaced. */
  #fenced({ session }: Jar): string {
    const replacement =
      session === undefined ? undefined : this.#world.ghost.replacements.get(digestIn(session));
    return replacement === undefined
      ? "-"
      : `${isFencing(replacement.by)} ${replacement.isSameUser} ${this.age(replacement.at)}`;
  }

  /** What a request that waits in its handler knows: enough to tell what its commit will do. */
  #state(
    { standing, intent, cookies, outcome }: RequestState,
    { openedAt, arrivedAt = openedAt }: Running,
  ): string {
    const sent = [...cookies.values()].map((cookie) => this.#instruction(cookie)).join(" ");
    const row = "session" in standing && standing.session !== undefined ? this.session(standing.session) : "";
    const login = standing.kind === "remembered" ? `${standing.effect} ${this.login(standing.login)}` : "";
    const why = standing.kind === "detached" ? standing.why : "";
    // Of the moment at which the request came, only its sides of a few others are of any use later.
    const { rows, ghost } = this.#world;
    const from = standing.kind === "live" ? standing.session.confirmFrom : undefined;
    const proves = from === undefined ? "-" : Math.sign(arrivedAt - from);
    const isMarked = intent.kind === "login" || intent.kind === "reauthenticate" || intent.kind === "renew";
    const marked = isMarked && ghost.marks.some(({ at }) => at >= arrivedAt);
    const secretAt =
      standing.kind === "remembered" && standing.session !== undefined
        ? rows.sessions.get(standing.session.id)?.secretAt
        : undefined;
    const came = secretAt === undefined ? "-" : Math.min(arrivedAt - secretAt, this.#oldest);
    return `${standing.kind} ${why} ${outcome} ${row} ${login} ${intent.kind} ${proves} ${marked} ${came} ${sent}`;
  }

  #answer(value: unknown): string {
    if (value === undefined) return "none";
    if (typeof value !== "object" || value === null) return String(value);
    if (Array.isArray(value)) return `list of ${value.length}`;
    if ("done" in value) return "conflict" in value ? String(value.conflict) : "done";
    if ("login" in value) {
      const { login, session } = value as { login: RememberedRow; session: SessionRow | undefined };
      return `${this.login(login)} ${session === undefined ? "" : this.session(session)}`;
    }
    return this.session(value as SessionRow);
  }

  #instruction({ definition, value, maxAgeSeconds }: CookieInstruction): string {
    return `${definition.name.endsWith("remember")}:${maxAgeSeconds === 0 ? "clear" : this.#cookie(value)}`;
  }

  /** A cookie is named by the digest of its secret, as rows have it. */
  #cookie(value: string | undefined): string {
    if (value === undefined) return "-";
    const parts = value.split(".");
    const secret = Buffer.from(parts.at(-2) ?? "", "base64url");
    const digest = createHash("sha256").update(secret).digest();
    const generation = parts.length === 4 ? this.#generation(parts[0] ?? "", Number(parts[1])) : "";
    return `${this.#name(parts[0])} ${generation} ${this.#bytes(digest)}`;
  }

  /** A superseded token that is past its window is like any other old one. */
  #superseded(row: RememberedRow): string {
    const isOld = row.supersededAt === undefined || this.#world.now - row.supersededAt >= this.#oldest;
    return isOld ? "-" : this.#bytes(row.superseded);
  }

  #generation(loginId: string, generation: number): string {
    const row = this.#world.rows.logins.get(loginId);
    return row === undefined ? "?" : String(Math.max(generation - row.generation, -3));
  }

  #version({ id, version }: SessionRow): string {
    const row = this.#world.rows.sessions.get(id);
    return row === undefined ? "?" : String(version - row.version === 0 ? 0 : -1);
  }

  #fence({ id, fence }: SessionRow): string {
    const row = this.#world.rows.sessions.get(id);
    return row === undefined ? "?" : String(fence === row.fence);
  }

  #bytes(value: Uint8Array | undefined): string {
    return this.#name(value === undefined ? undefined : Buffer.from(value).toString("base64"));
  }

  #name(value: string | undefined): string {
    if (value === undefined) return "-";
    let name = this.#names.get(value);
    if (name === undefined) {
      name = this.#names.size;
      this.#names.set(value, name);
    }
    return String(name);
  }
}
