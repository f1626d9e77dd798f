/** A route handler of Next below a base path, by a Next that is only pretended: the real one is run by `npm run test:frameworks`. */
import { expect, test, vi } from "vitest";
import { createPsession, memoryStore } from "../../src/index.ts";
import { sessions } from "../../src/integrations/next/index.ts";
import { KEY } from "../support/app.ts";

const seen = vi.hoisted(() => ({ headers: new Headers() }));
vi.mock("next/headers", () => ({ headers: async () => seen.headers, cookies: async () => new Map() }));
vi.mock("next/navigation", () => ({ unstable_rethrow: () => {}, redirect: () => {} }));
vi.mock("next/server", () => ({
  NextResponse: {
    next: ({ request }: { request: typeof seen }) => {
      seen.headers = request.headers;
      return new Response();
    },
  },
}));

/** As Next gives it to a proxy below `basePath: "/shop"`. */
const proxied = () =>
  Object.assign(
    new Request("https://shop.example/shop/orders?page=2", { headers: { accept: "text/html" } }),
    {
      nextUrl: { basePath: "/shop", pathname: "/orders", search: "?page=2" },
    },
  );
/** As Next gives it to a handler, which does not see the base path. */
const handled = () => new Request("https://shop.example/orders?page=2");

test.for([
  ["a path of the application", "/login", "/shop/login?next=%2Forders%3Fpage%3D2"],
  ["another site", "https://id.example/", "https://id.example/?next=%2Forders%3Fpage%3D2"],
])("a guard in a route handler redirects to %s as it does in a page", async ([, to = "", location]) => {
  const { proxy, route, requireLogin } = sessions(
    createPsession({ store: memoryStore(), keys: [KEY], prune: false }),
  );
  const members = requireLogin({ redirectTo: (path) => `${to}?next=${encodeURIComponent(path)}` });
  await proxy(proxied());
  const answer = await route(async () => Response.json((await members()).userId))(handled(), undefined);
  expect([answer.status, answer.headers.get("location")]).toEqual([303, location]);
});
