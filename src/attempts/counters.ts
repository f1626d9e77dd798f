/** What a limiter says of one counter. */
export interface AttemptCount {
  readonly consumedPoints: number;
  /** Until the counter ends. */
  readonly msBeforeNext: number;
}

/** As much of a limiter of rate-limiter-flexible as is used: counters by key, each with a time to live in seconds. */
export interface AttemptLimiter {
  get(key: string): Promise<AttemptCount | null>;
  penalty(key: string, points: number, options: { customDuration: number }): Promise<AttemptCount>;
  reward(key: string, points: number, options: { customDuration: number }): Promise<AttemptCount>;
  delete(key: string): Promise<boolean>;
}

/** In milliseconds. */
export interface Limits {
  /** Attempts without a wait: the last of them closes the gate. */
  readonly free: number;
  /** The first wait. Each further one is twice as long … */
  readonly wait: number;
  /** … up to this one. */
  readonly longest: number;
  /** Failures are forgotten this long after the first of them. */
  readonly forget: number;
}

export type SubjectKind = "account" | "browser" | "code" | "address";

/** What attempts are counted by. */
export interface Subject {
  readonly kind: SubjectKind;
  /** Without the application's key it says nothing. */
  readonly name: string;
  /**
   * Of a name that accounts share because they are spelt alike: the one that is tried here. A sign-in takes back what was
   * counted for its own account, or an attacker would wipe out guesses at another one by signing in to theirs.
   */
  readonly own?: string;
  readonly limits: Limits;
}

/** An attempt that may go on, and is counted as failed until `giveBack`. */
interface Counted {
  readonly subject: Subject;
  /** When its counter ends, by `performance.now()` … */
  readonly endsAt: number;
  /** … and the gate that it has closed, if it did. */
  readonly opensAt: number | undefined;
}

/** Refused, because of too many failures of one of its subjects. */
interface Refused {
  readonly by: SubjectKind;
  /** In milliseconds. */
  readonly wait: number;
}

export type Taken = { readonly counted: readonly Counted[] } | Refused;

/**
 * Counts an attempt before anything is verified, so that guesses sent all at once are counted one by one. Each subject
 * has a counter of failures; from the last free one on also a gate, which one attempt passes and thereby closes for the
 * time of a wait. Nothing is left to do when an attempt fails, so a process that dies meanwhile leaves no mistake.
 */
export async function take(limiter: AttemptLimiter, subjects: readonly Subject[]): Promise<Taken> {
  // First a read only: a closed gate costs no write, and those who knock at it do not make it stay closed.
  const closed = longestOf(await Promise.all(subjects.map((subject) => waitAt(limiter, subject))));
  if (closed !== undefined) return closed;
  const results = await Promise.all(subjects.map((subject) => count(limiter, subject)));
  const refused = longestOf(results.map((result) => ("wait" in result ? result : undefined)));
  return refused ?? { counted: results.filter((result) => "subject" in result) };
}

/**
 * The credential was right. Its account is as before the first failure; of the address only this one attempt is taken
 * back, or an attacker would wipe out the failures there by signing in to an account of their own.
 */
export async function giveBack(limiter: AttemptLimiter, counted: readonly Counted[]): Promise<void> {
  await Promise.all(
    counted.map(async (one) => {
      const { subject, opensAt } = one;
      if (subject.own !== undefined) return giveBackOwn(limiter, one, subject.own);
      if (subject.kind !== "address") return forget(limiter, subject);
      await takeBack(limiter, one, 1);
      // A gate that has opened meanwhile may have been closed by another attempt.
      if (opensAt !== undefined && performance.now() < opensAt) await limiter.delete(gateOf(subject));
    }),
  );
}

/** What was counted for this account. Where nothing or little is left, its gate opens. */
async function giveBackOwn(limiter: AttemptLimiter, counted: Counted, own: string): Promise<void> {
  const { subject } = counted;
  const [all, mine] = await Promise.all([limiter.get(failuresOf(subject)), limiter.get(ownOf(own))]);
  const points = mine?.consumedPoints ?? 0;
  const left = (all?.consumedPoints ?? 0) - points;
  if (left <= 0) return forget(limiter, subject);
  await Promise.all([
    points > 0 ? takeBack(limiter, counted, points) : undefined,
    limiter.delete(ownOf(own)),
    left < subject.limits.free ? limiter.delete(gateOf(subject)) : undefined,
  ]);
}

/** A counter that has ended meanwhile would begin below zero. It would end after a second in any case. */
async function takeBack(
  limiter: AttemptLimiter,
  { subject, endsAt }: Counted,
  points: number,
): Promise<void> {
  if (performance.now() < endsAt) await limiter.reward(failuresOf(subject), points, { customDuration: 1 });
}

export async function forget(limiter: AttemptLimiter, subject: Subject): Promise<void> {
  const own = subject.own === undefined ? [] : [ownOf(subject.own)];
  await Promise.all([failuresOf(subject), gateOf(subject), ...own].map((key) => limiter.delete(key)));
}

const failuresOf = ({ name }: Subject): string => `f${name}`;
const ownOf = (own: string): string => `o${own}`;
const gateOf = ({ name }: Subject): string => `g${name}`;

async function waitAt(limiter: AttemptLimiter, subject: Subject): Promise<Refused | undefined> {
  const gate = await limiter.get(gateOf(subject));
  return gate !== null && gate.msBeforeNext > 0 ? { by: subject.kind, wait: gate.msBeforeNext } : undefined;
}

async function count(limiter: AttemptLimiter, subject: Subject): Promise<Counted | Refused> {
  const { kind, limits } = subject;
  const { free, wait, longest } = limits;
  const begun = performance.now();
  const failures = await limiter.penalty(failuresOf(subject), 1, inSeconds(limits.forget));
  const endsAt = begun + failures.msBeforeNext;
  // It ends with the failures that it is part of, or a moment earlier.
  const part = { customDuration: Math.max(1, Math.floor(failures.msBeforeNext / 1000)) };
  if (subject.own !== undefined) await limiter.penalty(ownOf(subject.own), 1, part);
  const over = failures.consumedPoints - free;
  if (over < 0) return { subject, endsAt, opensAt: undefined };
  const duration = Math.min(wait * 2 ** over, longest);
  const gate = await limiter.penalty(gateOf(subject), 1, inSeconds(duration));
  // Another one was faster.
  if (gate.consumedPoints > 1) return { by: kind, wait: Math.max(gate.msBeforeNext, 1) };
  return { subject, endsAt, opensAt: begun + duration };
}

/** Redis counts whole seconds, and keeps for ever what it is given no second. */
const inSeconds = (milliseconds: number) => ({ customDuration: Math.ceil(milliseconds / 1000) });

function longestOf(waits: readonly (Refused | undefined)[]): Refused | undefined {
  return waits.reduce((longest, one) => ((one?.wait ?? 0) > (longest?.wait ?? 0) ? one : longest), undefined);
}
