import { problemPage } from "./pages.js";

/** How long a visitor may take at the provider. */
const LIFETIME = "10m";

/** Part of the state only, so that the store does not get what the browser brings back. */
const keyOf = (state) => `openid ${state.slice(0, 8)}`;

/** Sends the browser to the provider, and keeps in the session what belongs to that trip: each tab has its own. */
export async function sendToProvider({ provider, session, response }, attempt, parameters = {}) {
  session.startAnew(); // if the visitor's session cannot be used in this request
  const state = session.newState({ lifetime: LIFETIME });
  try {
    const { url, expected } = await provider.begin(state, parameters);
    session.temp.set(keyOf(state), { ...attempt, expected }, LIFETIME);
    response.redirect(303, url);
  } catch (error) {
    console.warn("The provider cannot be reached:", error.code ?? error.name);
    response.status(502).send(problemPage("failed", attempt));
  }
}

/** The attempt that comes back with this state: to one request only, in the session that began it. */
export async function takeAttempt(session, state) {
  if (!(await session.takeState(state))) return undefined;
  const key = keyOf(state);
  const attempt = session.temp.get(key);
  session.temp.remove(key);
  return attempt;
}
