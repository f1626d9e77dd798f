export type { SessionState } from "./state.ts";
/** Who is signed in, as a store: `const session = useSession("/account/devices/session")`, then `$session.status`. */
export { type SessionWatch, type WatchOptions, watchSession as useSession } from "./watch.ts";
