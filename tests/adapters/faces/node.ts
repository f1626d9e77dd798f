import { pipeline } from "node:stream";
import {
  originCheck,
  requireFresh,
  requireLevel,
  requireLogin,
  withSession,
} from "../../../src/adapters/node/index.ts";
import type { HttpFace } from "../../../src/testing/index.ts";
import { nodeBody, served } from "./serve.ts";

const GUARDS = {
  "/members": requireLogin({ redirectTo: "/sign-in" }),
  "/proved": requireLevel("login"),
  "/fresh": requireFresh({ within: "10m" }),
};

export const nodeFace: HttpFace = {
  isLazy: false,
  serve({ psession, site, trustProxy }) {
    const isSameOrigin = originCheck({ trustProxy });
    const listener = withSession(
      psession,
      async (request, response, session) => {
        const { pathname, searchParams } = new URL(request.url ?? "/", "http://any");
        const guard = GUARDS[pathname as keyof typeof GUARDS];
        if (guard !== undefined && !guard(request, response, session)) return;
        const { method = "GET" } = request;
        const answer = await site({ method, path: pathname, query: searchParams, session: () => session });
        response.statusCode = answer.status ?? 200;
        if (answer.setCookie !== undefined) response.setHeader("Set-Cookie", [...answer.setCookie]);
        for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value);
        const body = nodeBody(answer);
        if (typeof body === "object") pipeline(body, response, () => {});
        else response.end(body);
      },
      { trustProxy },
    );
    return served((request, response) => {
      if (isSameOrigin(request, response)) void listener(request, response);
    });
  },
};
