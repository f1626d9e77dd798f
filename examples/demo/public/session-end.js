/** Says on every page of a signed-in user when the sign-in is about to end, and offers to go on. */

const SESSION = "/api/devices/session";
const JSON_ONLY = { Accept: "application/json" };
const SECOND = 1000;
const WARN_FROM = 120 * SECOND;
/** Often enough to notice what other tabs and the lab do. */
const ASK_EVERY = 20 * SECOND;

const banner = document.querySelector("[data-session-end]");
const text = banner.querySelector("[data-text]");
const left = banner.querySelector("[data-left]");
const extend = banner.querySelector("[data-extend]");
const signIn = banner.querySelector("[data-sign-in]");

/** When the sign-in ends, by this browser's clock; undefined before the first answer. */
let endsAt;
let asking = 0;

extend.addEventListener("click", () => ask("POST"));
addEventListener("pageshow", ({ persisted }) => persisted && ask());
document.addEventListener("visibilitychange", () => document.hidden || ask());
setInterval(ask, ASK_EVERY);
setInterval(show, SECOND);
ask();

/** Asking (GET) is no use of the session; POST is one. */
async function ask(method = "GET") {
  asking += 1;
  const mine = asking;
  const response = await fetch(SESSION, { method, headers: JSON_ONLY }).catch(() => undefined);
  // Without an answer, the next attempt will show it. A later request has newer facts.
  if (response === undefined || mine !== asking) return;
  if (response.status === 401) return showEnded();
  if (!response.ok) return;
  const { endsAt: end } = await response.json();
  const now = Number(response.headers.get("Demo-Time"));
  // A remembered user comes back after the session: only the end of that is a sign-out.
  const last = Math.max(Math.min(end.idle, end.absolute), end.remembered ?? 0);
  endsAt = Date.now() + last - now;
  // What no use puts off needs a new sign-in.
  const isFinal = last === (end.remembered ?? end.absolute);
  extend.hidden = isFinal;
  signIn.hidden = !isFinal;
  show();
}

function show() {
  if (endsAt === undefined) return;
  const remaining = endsAt - Date.now();
  if (remaining <= 0) ask();
  const isNear = remaining <= WARN_FROM;
  if (banner.hidden === isNear) banner.hidden = !isNear;
  if (!isNear) return;
  say("You will be signed out in");
  const seconds = Math.max(0, Math.ceil(remaining / SECOND));
  left.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function showEnded() {
  endsAt = undefined;
  banner.hidden = false;
  say("You are signed out.");
  left.textContent = "";
  extend.hidden = true;
  signIn.hidden = false;
}

/** Screen readers read it out when it changes, and not each second. */
function say(sentence) {
  if (text.textContent !== sentence) text.textContent = sentence;
}
