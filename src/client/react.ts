import { useSyncExternalStore } from "react";
import { LOADING, type SessionState } from "./state.ts";
import { hasPage, type SessionWatch, type WatchOptions, watchSession } from "./watch.ts";

export type { SessionState } from "./state.ts";
export type { WatchOptions } from "./watch.ts";

/** What a component gets: the state, and the calls that ask and extend. */
export type SessionHook<Profile> = SessionState<Profile> & Pick<SessionWatch<Profile>, "refresh" | "extend">;

/**
 * Who is signed in, for a client component. All that give the same address share one `watchSession`. While a page is made
 * on the server, and for the first time in the browser, it is `initial`, or loading.
 */
export function useSession<Profile = unknown>(
  url: string,
  options: WatchOptions<Profile> = {},
): SessionHook<Profile> {
  const { subscribe, current, refresh, extend } = watchSession<Profile>(url, options);
  const { initial = LOADING } = options;
  // No more than this is known on a server. Next leaves psession out of its bundles there, by `serverExternalPackages`, so
  // that React is another one here than the one that renders, and each of its hooks would throw.
  if (!hasPage()) return { ...initial, refresh, extend };
  const state = useSyncExternalStore(subscribe, current, () => initial);
  return { ...state, refresh, extend };
}
