import type { Site, SiteAnswer } from "./integration.ts";

export const json = (value: unknown): SiteAnswer => ({
  headers: { "content-type": "application/json" },
  body: JSON.stringify(value),
});

const read: Site = async (request) => {
  const session = await request.session();
  const { userId = null, level, outcome } = session;
  return json({ userId, level, outcome, data: session.data });
};

/** What most cases need: a shop with a cart and an account. */
export const ROUTES: Record<string, Site> = {
  "/plain": async () => ({ headers: { "content-type": "text/plain" }, body: "nothing to do with sessions" }),
  "/read": read,
  "/members": read,
  "/proved": read,
  "/bound": read,
  "/proved-now": read,
  "/fresh": read,
  "/two-factors": read,
  "/add": async (request) => {
    const session = await request.session();
    session.push("items", request.query.get("item") ?? "tea");
    return json(session.data.items);
  },
  "/set": async (request) => {
    const session = await request.session();
    session.set(request.query.get("key") ?? "key", request.query.get("value") ?? "value");
    return json(session.data);
  },
  "/add-and-go": async (request) => {
    const session = await request.session();
    session.push("items", request.query.get("item") ?? "tea");
    return { status: 303, headers: { location: "/read" } };
  },
  "/login": async (request) => {
    const session = await request.session();
    await session.login("ada", { remember: request.query.has("remember") });
    return { status: 303, headers: { location: "/read" } };
  },
  "/logout": async (request) => {
    const session = await request.session();
    await session.logout();
    return { status: 204 };
  },
  "/regenerate": async (request) => {
    const session = await request.session();
    // Said in so many words: frameworks whose own convention is another one may keep it for the call without any.
    await session.regenerate({ keep: "all" });
    return json(session.data);
  },
};
