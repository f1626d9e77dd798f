/* The sentences of `psession.why`, for developers and support. */

const day = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;

export const SIGNED_OUT = "The user signed out there.";
export const ENDED_BY_USER = "The user ended it from another device.";
export const ENDED_BY_ANYONE = "It was ended: by the user on another device, or by the application.";
export const THEFT =
  "A superseded token of its remembered login was presented: there was a copy of the cookie, so the login was ended.";
export const THEFT_OF_ANOTHER =
  "A theft was noticed on another of the user's devices, and the option remember.onTheft ends all of them.";
export const LIMIT =
  "A sign-in on another device was one more than the user may have (devices.max), and this one was unused for longest.";
export const TAG = "Another device signed in under the same tag, of which a user has one.";
export const REPLACED = "The same browser signed in anew, or got new secrets, in place of this sign-in.";
export const STALE =
  "Its remember cookie was newer than its row: the store had lost writes, as a restored backup has, so the login was ended.";
export const FORKED =
  "Its remember cookie had another token than its row: the store had been split, so the login was ended.";
export const TRUST = "Nobody signs in by it: it is the record that the user trusts a browser.";
export const ACTED = "It is a session in which an administrator acts as the user.";
export const ANONYMOUS = "Nobody is signed in on that session.";
export const MAYBE_TRUST =
  "No sign-in on it is recorded, so it may also have been a browser that the user trusted.";
export const GONE_EARLY =
  "Its rows are gone before their time, and nothing says why: they were deleted by other means, or entries of the audit trail were lost.";
export const NOTHING =
  "Nothing is known of it: there is no row, no record of an ended login and no entry in the audit trail. Without the user's id, only the newest 10,000 entries of the trail are searched.";
export const NOTHING_WITHOUT_TRAIL =
  "Nothing is known of it: there is no row, no record of an ended login, and the store keeps no audit trail (its option audit: true).";
export const NO_TRAIL =
  "The store keeps no audit trail (its option audit: true), so only devices with rows are listed. Of an ended remembered login a record is kept: ask by its handle.";

export const signedIn = (end: number): string =>
  `The user is signed in, until ${day(end)} if it is not used before.`;

export const remembered = (end: number): string =>
  `The session has ended, and the remembered login brings the user back until ${day(end)}: with level "remembered", which guards may not accept.`;

export const ended = (isIdle: boolean, isLogin: boolean): string => {
  const what = isLogin ? "remembered login" : "session";
  return isIdle
    ? `The ${what} was not used for too long (${isLogin ? "remember" : "session"}.idle).`
    : `The ${what} had reached its longest life (${isLogin ? "remember" : "session"}.absolute).`;
};

export const changed = (factor: string | undefined): string =>
  factor === undefined || factor === "password"
    ? "The user's password was changed, or another factor was, on another device or by a reset."
    : `The user's ${factor} was changed, on another device or by a reset.`;

export const revoked = (reason: string | undefined): string =>
  reason === undefined
    ? "The application or an administrator ended it, without another reason."
    : `The application or an administrator ended it, with the reason ${JSON.stringify(reason)}.`;

export const everyone = (reason: string | undefined): string =>
  reason === "restored"
    ? "psession restored ended the devices of a restored backup, most likely this one too."
    : `All users' devices were ended, with the reason ${JSON.stringify(reason ?? "revoked")}.`;

export const deadline = (latest: number): string =>
  `It has ended by itself, most likely: it was not used for too long, or had reached its longest life, at the latest on ${day(latest)}. Its rows are deleted since.`;

export const leftOut = (events: readonly string[]): string =>
  `The option audit.events leaves out ${events.join(", ")}, so such sign-ins and ends may be missing here.`;

export const cut = (limit: number): string =>
  `Only the latest ${limit.toLocaleString("en")} entries of this user's audit trail were read: limit reads more.`;
