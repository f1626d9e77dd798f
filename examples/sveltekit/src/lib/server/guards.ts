import { error, redirect } from "@sveltejs/kit";
import { guards } from "psession/sveltekit";

const { requireLogin, requireFresh, requirePending, forbidImpersonation } = guards({ error, redirect });

const withNext = (page: string) => (path: string) => `${page}?next=${encodeURIComponent(path)}`;

export const member = requireLogin({ redirectTo: withNext("/login") });
export const fresh = requireFresh({ within: "10m", redirectTo: withNext("/confirm") });
export const halfSignedIn = requirePending({ redirectTo: "/login" });
export const inPerson = forbidImpersonation();

/** A place on this site to go on to. "//evil.example" would be another one, also with a tab between the slashes. */
export const nextOf = (url: URL): string => {
  const next = url.searchParams.get("next") ?? "";
  return /^\/(?![/\\])[!-[\]-~]*$/.test(next) ? next : "/account";
};
