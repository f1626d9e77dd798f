/** For pages: who is signed in, and until when. Runs in browsers, and without effect where pages are made on a server. */
export type { SessionState } from "./state.ts";
export { type SessionWatch, type WatchOptions, watchSession } from "./watch.ts";
