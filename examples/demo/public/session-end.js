/** Says on every page of a signed-in user when the sign-in is about to end, or has ended, and offers to go on. */

const SESSION = "/api/devices/session";
const END = "/session-end";
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
/** By this connection the server says at once that the session has ended elsewhere. Undefined while there is none. */
let connection;

signIn.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
extend.addEventListener("click", () => ask("POST"));
addEventListener("pageshow", ({ persisted }) => persisted && ask());
document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : ask()));
// What ends the session then is a form of this page, and another page is on its way.
addEventListener("beforeunload", disconnect);
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
  if (end === undefined) return showEnded();
  // A remembered user comes back after the session: only the end of that is a sign-out.
  const last = Math.max(Math.min(end.idle, end.absolute), end.remembered ?? 0);
  // By the server's clock, which the lab moves; a visitor's may be wrong anyway.
  endsAt = Date.now() + last - end.now;
  // What no use puts off needs a new sign-in.
  const isFinal = last === (end.remembered ?? end.absolute);
  extend.hidden = isFinal;
  signIn.hidden = !isFinal;
  show();
  // A page that is left at once needs no connection, and one that is refused must not be asked for without a pause.
  setTimeout(connect, SECOND);
}

/** Only while the page is seen: of the six connections that a browser has to a host, this takes one. */
function connect() {
  if (connection !== undefined || document.hidden) return;
  connection = new EventSource(END);
  connection.addEventListener("ended", askAnew);
  // What was only interrupted connects again by itself.
  connection.addEventListener("error", () => connection?.readyState === EventSource.CLOSED && askAnew());
}

function disconnect() {
  connection?.close();
  connection = undefined;
}

/**
 * The session has ended, or goes on with another secret: the server knows which. The answer that brings the new secret to
 * another tab may still be on its way.
 */
function askAnew() {
  disconnect();
  setTimeout(ask, SECOND);
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
  disconnect();
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
