/** What a page knows of the visitor's session. Times are in epoch milliseconds by the browser's own clock. */
export interface SessionState<Profile = unknown> {
  /** "loading" until the server has answered for the first time. */
  readonly status: "loading" | "signedIn" | "signedOut";
  /** "remembered" for a user who was brought back by a remember cookie, and has proved nothing since. */
  readonly level: "anonymous" | "remembered" | "login";
  readonly userId: string | number | undefined;
  /** A first factor was right, and the second is still to come. */
  readonly isPending: boolean;
  /** An administrator acts as this user. */
  readonly isActing: boolean;
  /** When the user is signed out if the session is not used again; a use by another tab may have put it off since. */
  readonly endsAt: number | undefined;
  /** Whether `extend()` puts that off. What no use puts off takes a new sign-in. */
  readonly canExtend: boolean;
  /** What `describe` of the endpoint gives. */
  readonly profile: Profile | undefined;
  /** False while the server does not answer: all else is what it said before. */
  readonly isReachable: boolean;
}

export const LOADING: SessionState<never> = Object.freeze({
  status: "loading",
  level: "anonymous",
  userId: undefined,
  isPending: false,
  isActing: false,
  endsAt: undefined,
  canExtend: false,
  profile: undefined,
  isReachable: true,
});

/** As the endpoint answers `GET /session`. */
export interface SessionAnswer {
  readonly level: SessionState["level"];
  readonly userId?: string | number | undefined;
  readonly isPending?: boolean;
  readonly isActing?: boolean;
  readonly profile?: unknown;
  readonly endsAt?: {
    readonly idle: number;
    readonly absolute: number;
    readonly remembered?: number | undefined;
    readonly now: number;
  };
}

/** Throws for anything that is no answer of the endpoint, such as a page to sign in at. */
export function stateOf<Profile>(answer: unknown, receivedAt: number): SessionState<Profile> {
  const { level, userId, isPending = false, isActing = false, profile, endsAt } = answer as SessionAnswer;
  if (level === undefined) throw new Error("This is no answer of psession's endpoint.");
  const isSignedIn = level !== "anonymous";
  return {
    status: isSignedIn ? "signedIn" : "signedOut",
    level,
    userId,
    isPending,
    isActing,
    endsAt: endsAt && receivedAt + lastOf(endsAt) - endsAt.now,
    canExtend: endsAt !== undefined && lastOf(endsAt) !== (endsAt.remembered ?? endsAt.absolute),
    profile: profile as Profile | undefined,
    isReachable: true,
  };
}

/** A remembered user comes back after the session: only the end of that is a sign-out. */
const lastOf = ({ idle, absolute, remembered = 0 }: NonNullable<SessionAnswer["endsAt"]>): number =>
  Math.max(Math.min(idle, absolute), remembered);

export function isSame(one: SessionState, other: SessionState): boolean {
  const { endsAt, profile, ...rest } = one;
  return (
    Object.entries(rest).every(([name, value]) => other[name as keyof typeof rest] === value) &&
    // Each answer takes another time on its way.
    Math.abs((endsAt ?? 0) - (other.endsAt ?? 0)) < 1000 &&
    JSON.stringify(profile) === JSON.stringify(other.profile)
  );
}

/** What tabs of one browser have in common, as text. */
export const visitorOf = ({ status, level, userId, isPending, isActing }: SessionState): string =>
  JSON.stringify([status, level, userId, isPending, isActing]);
