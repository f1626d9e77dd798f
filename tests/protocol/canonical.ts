import { createHash } from "node:crypto";
import type { CookieInstruction } from "../../src/http/cookies.ts";
import type { RequestState } from "../../src/request/state.ts";
import type { RememberedRow, SessionRow } from "../../src/stores/store.ts";
import type { Jar } from "./request.ts";
import type { Traveller, World } from "./world.ts";

/**
 * A world's text up to what makes no difference: secrets by the order in which they occur, times by their age
 * (all that are older than every window are one), generations and versions by their distance from the row's.
 */
export function canonical(world: World, oldest: number): string {
  const scribe = new Scribe(world, oldest);
  const parts = [
    ...[...world.rows.logins.values()].map((row) => scribe.login(row)),
    ...[...world.rows.sessions.values()].map((row) => scribe.session(row)),
    scribe.jar(world.jar),
    scribe.jar(world.disk),
    scribe.age(world.dirtySince),
    `${world.thefts} ${world.ghost.hasEnded} ${world.ghost.isReplaced} ${world.ghost.isThiefAbout} ${world.ghost.isSetBack}`,
    ...world.travellers.map((traveller) => scribe.traveller(traveller)).sort(),
    ...[...new Set(world.loot.map((jar) => scribe.jar(jar)))].sort(),
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

  login(row: RememberedRow): string {
    const { rotatedAt, confirmedAt, supersededAt, revokedAt } = row;
    const times = [rotatedAt, supersededAt, revokedAt].map((time) => this.age(time)).join(" ");
    return `L ${this.#name(row.id)} ${this.#bytes(row.token)} ${this.#bytes(row.previous)} ${this.#superseded(row)} ${this.#bytes(row.salt)} ${confirmedAt !== undefined} ${row.strays} ${times} ${this.#generation(row.id, row.generation)}`;
  }

  session(row: SessionRow): string {
    const times = `${this.age(row.secretAt)} ${this.age(row.confirmFrom)}`;
    return `S ${this.#name(row.id)} ${this.#bytes(row.secret)} ${this.#bytes(row.previousSecret)} ${this.#bytes(row.retiredSecret)} ${this.#fence(row)} ${this.#name(row.rememberedId)} ${row.level} ${times} ${this.#version(row)}`;
  }

  jar({ session, remember }: Jar): string {
    return `${this.#cookie(session)} / ${this.#cookie(remember)}`;
  }

  traveller({ owner, running, stage, isOrphan }: Traveller): string {
    const { cookies, handler, skew } = running;
    const base = `${owner} ${isOrphan} ${handler} ${skew} ${this.jar(cookies)} ${stage.kind}`;
    if (stage.kind === "sent") return `${base} ${this.age(stage.at)}`;
    if (stage.kind === "answered")
      return `${base} ${this.age(stage.at)} ${stage.cookies.map((cookie) => this.#instruction(cookie)).join(" ")}`;
    if (stage.kind === "handling") return `${base} ${this.#state(stage.state)}`;
    const answers = running.answers
      .map(({ value, at }) => `${this.age(at)} ${this.#answer(value)}`)
      .join(" ; ");
    return `${base} ${this.age(running.openedAt)} ${this.age(running.commitAt)} ${answers}`;
  }

  /** What a request that waits in its handler knows: enough to tell what its commit will do. */
  #state({ standing, intent, cookies, openedAt }: RequestState): string {
    const sent = [...cookies.values()].map((cookie) => this.#instruction(cookie)).join(" ");
    const row = "session" in standing && standing.session !== undefined ? this.session(standing.session) : "";
    const login = standing.kind === "remembered" ? `${standing.effect} ${this.login(standing.login)}` : "";
    const why = standing.kind === "detached" ? standing.why : "";
    // Of the moment at which the request came, only its side of the time to confirm is of any use later.
    const from = standing.kind === "live" ? standing.session.confirmFrom : undefined;
    const proves = from === undefined ? "-" : Math.sign(openedAt - from);
    return `${standing.kind} ${why} ${row} ${login} ${intent.kind} ${proves} ${sent}`;
  }

  #answer(value: unknown): string {
    if (value === undefined) return "none";
    if (typeof value !== "object" || value === null) return String(value);
    if (Array.isArray(value)) return `list of ${value.length}`;
    if ("done" in value) return "lost" in value ? String(value.lost) : "done";
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
