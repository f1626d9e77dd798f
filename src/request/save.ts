import { assertFunction, forget, isThenable } from "../checks/given.ts";
import { PsessionError } from "../errors.ts";
import { commitRequest, inTurn } from "./commit.ts";
import { ask, reloadRequest, takeBack } from "./standing.ts";
import { isSignIn, type RequestState, type Writing } from "./state.ts";

/** Stores what was asked for and changed so far; throws where it was discarded instead. */
export async function store(state: RequestState): Promise<"done" | "full"> {
  const result = await commitRequest(state, false);
  if (!state.hasDiscarded) return result ?? "done";
  const { standing } = state;
  const isWithheld = standing.kind === "detached" && WITHHELD.has(standing.why);
  throw isWithheld ? withheld() : ended("the change was not stored");
}

export function save(state: RequestState): Promise<void> {
  return inTurn(state, async () => {
    try {
      await store(state);
    } catch (error) {
      takeBack(state);
      const { intent } = state;
      // The handler will answer that this failed; the commit must not do it after all. A session of another library
      // is still taken over with its user: otherwise the data would name a signed-in user where there is none.
      const isDue = intent.kind === "logout" || (intent.kind === "login" && intent.isTakenOver === true);
      if (!isDue) ask(state, { kind: "keep" });
      throw error;
    }
  });
}

export function reload(state: RequestState): Promise<void> {
  const { intent } = state;
  // The row is still there until the response begins, with the data of the user who left; or with what a sign-in that is
  // yet to be stored does not take over, such as another user's.
  const isLeft = intent.kind === "logout" || (isSignIn(intent) && !intent.carriesAll);
  if (isLeft) throw ended("there is nothing to read again");
  return inTurn(state, () => reloadRequest(state));
}

export function update<Data, R>(state: RequestState, change: (data: Partial<Data>) => R): Promise<R> {
  assertFunction("update: change", change);
  return atomically(state, () => {
    const result = change(state.data.value as Partial<Data>);
    if (!isThenable(result)) return result;
    forget(result);
    throw new PsessionError("invalid_data", "update takes a function that returns at once, not a promise.");
  });
}

/** Changes the data and stores the change as one step; where another request was faster, changes its result instead. */
export function atomically<R>(state: Writing<"rerun">, change: () => R): Promise<R> {
  const { data } = state;
  return inTurn(state, async () => {
    let own = data.snapshot();
    const undo = (error: unknown): never => {
      if (state.standing.kind !== "detached") data.restore(own);
      throw error;
    };
    let result: R;
    try {
      result = change();
    } catch (error) {
      return undo(error);
    }
    state.rerun = (fresh) => {
      data.restore(own);
      const conflicts = data.rebase(fresh);
      own = data.snapshot();
      result = change();
      return conflicts;
    };
    try {
      await store(state);
      return result;
    } catch (error) {
      if (state.checkpoint === undefined) return undo(error);
      takeBack(state);
      throw error;
    } finally {
      state.rerun = undefined;
    }
  });
}

function ended(consequence: string): PsessionError {
  return new PsessionError(
    "session_ended",
    `The session was ended or taken over by another sign-in meanwhile; ${consequence}.`,
    { status: 409 },
  );
}

/** The browser may have a session that this request cannot use. */
const WITHHELD: ReadonlySet<string> = new Set(["moved", "cross_site", "stray", "outdated", "unproved"]);

const withheld = (): PsessionError =>
  new PsessionError(
    "session_withheld",
    "The browser may have a session that this request cannot use: it came without its cookies from another site, from " +
      "another address or browser, with cookies that were replaced, or without a proof of its key. A new one would overwrite it, so nothing was " +
      "stored; session.startAnew() begins one on purpose.",
    { status: 409 },
  );
