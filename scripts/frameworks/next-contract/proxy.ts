import { servedTo } from "./served";

export const proxy = (request: Request) => servedTo(request).proxy(request);

export const config = {
  matcher: [{ source: "/:path*", missing: [{ type: "header", key: "next-router-prefetch" }] }],
};
