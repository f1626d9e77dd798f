/** A load that calls endpoints of its own server, which change the session. */
export const load = async ({ fetch, locals, url }) => {
  const before = await locals.getSession();
  before.set("count", 1);
  const how = url.searchParams.get("how");
  if (how === "twice")
    await Promise.all([fetch("/pages/api/add?item=tea"), fetch("/pages/api/add?item=ink")]);
  if (how === "sign-in") await fetch("/pages/api/sign-in", { method: "POST" });
  const init = how === "omit" ? { credentials: "omit" } : {};
  const who = await (await fetch(`/pages/api/who?how=${how}`, init)).json();
  return { who, userId: (await locals.getSession()).userId ?? null };
};
