import { type Answer, HttpClient } from "../support/http.ts";
import type { VisitAnswer } from "./messages.ts";

export interface VisitOptions {
  /** The key that the visit writes into the session's data. */
  readonly write?: string | undefined;
  /** The answer gets lost on its way: the browser gets neither cookies nor confirmation. */
  readonly isLost?: boolean;
}

/** A browser of one user, who signed in once and wants to stay so, whatever server answers. */
export class Browser extends HttpClient {
  readonly user: number;
  /** Keys whose writes were confirmed by an answer that came completely. */
  readonly acknowledged = new Set<string>();
  /** What must not be: signed out, or a write gone. */
  readonly losses: string[] = [];
  /** What happened, for the report of a loss. */
  readonly story: string[] = [];
  /** What a crash leaves: the disk may be as far behind as the last round. */
  #disk: Browser["jar"] | undefined;

  constructor(user: number) {
    super("");
    this.user = user;
  }

  async login(server: string): Promise<void> {
    const { status } = await this.get(`${server}/login?user=${this.user}`);
    if (status !== 200) throw new Error(`the login was answered with ${status}`);
    this.acknowledged.add("name");
  }

  /** Undefined where no answer came, or one that asks to try again: no loss, the jar is kept. */
  async visit(
    server: string,
    { write, isLost = false }: VisitOptions = {},
  ): Promise<VisitAnswer | undefined> {
    const known = [...this.acknowledged];
    const client = isLost ? this.#withoutReceiving() : this;
    const response = await reached(
      client.get(`${server}/visit${write === undefined ? "" : `?write=${write}`}`),
    );
    if (response === undefined || response.status === 503) {
      this.story.push(`${server}: ${response?.status ?? "no answer"}`);
      return undefined;
    }
    if (response.status !== 200) throw new Error(`a visit was answered with ${response.status}`);
    const answer: VisitAnswer = response.json;
    this.story.push(
      `${server}: ${answer.outcome}${isLost ? ", lost" : ""}${write ? `, writes ${write}` : ""}`,
    );
    this.#judge(answer, known);
    if (!isLost && write !== undefined) this.acknowledged.add(write);
    return answer;
  }

  /** What the browser has now is on its disk from here on. */
  persist(): void {
    this.#disk = new Map(this.jar);
  }

  /** Crashes and is opened again: the cookies that came since `persist` are gone, and those kept in memory. */
  crash(): void {
    this.jar = this.#disk ?? this.jar;
    this.restart();
  }

  /** Sends what this browser sends, and keeps what comes away from it. */
  #withoutReceiving(): HttpClient {
    const client = new HttpClient("");
    client.jar = new Map(this.jar);
    return client;
  }

  /** Every answer must know its user, and every write that was confirmed before the request was sent. */
  #judge({ userId, outcome, keys }: VisitAnswer, known: readonly string[]): void {
    if (userId !== this.user) return this.#lose(`is ${userId ?? "nobody"} (${outcome})`);
    const missing = known.filter((key) => !keys.includes(key));
    if (missing.length > 0) this.#lose(`lost ${missing.join(", ")}`);
  }

  #lose(what: string): void {
    this.losses.push([`user ${this.user} ${what}, after:`, ...this.story].join("\n  "));
  }
}

/** `fetch` throws a TypeError where the connection was refused, was reset, or ended within the answer. */
async function reached(request: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
