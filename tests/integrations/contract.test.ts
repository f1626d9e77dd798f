import { getConnInfo } from "@hono/node-server/conninfo";
import { describe, test } from "vitest";
import { type HttpIntegration, httpContract } from "../../src/testing/contracts.ts";
import { expressIntegration, type Load } from "./contract/express.ts";
import { dropInFace } from "./contract/express-session.ts";
import { fastifyIntegration } from "./contract/fastify.ts";
import { fetchIntegration } from "./contract/fetch.ts";
import { honoIntegration } from "./contract/hono.ts";
import { http2Integration } from "./contract/http2.ts";
import { koaIntegration } from "./contract/koa.ts";
import { nodeIntegration } from "./contract/node.ts";
import { polkaIntegration } from "./contract/polka.ts";
import { onNode } from "./contract/served-by-hono.ts";

const express5: Load = async () => (await import("express")).default;
// @ts-expect-error: Express 4 is here under another name, without types of its own.
const express4: Load = async () => (await import("express4")).default;

const integrations: Record<string, HttpIntegration> = {
  "node:http": nodeIntegration,
  "node:http2": http2Integration,
  "Express 5": expressIntegration(express5),
  "Express 4": expressIntegration(express4),
  "express-session's drop-in, Express 5": dropInFace(express5),
  "express-session's drop-in, Express 4": dropInFace(express4),
  Fastify: fastifyIntegration({ open: "lazy" }),
  "Fastify, open before handlers": fastifyIntegration({ open: "always" }),
  Koa: koaIntegration({}),
  "Koa, sessions always open": koaIntegration({ open: "always" }),
  "Polka, by the kit alone": polkaIntegration,
  fetch: fetchIntegration(onNode),
  Hono: honoIntegration(onNode, (c) => getConnInfo(c).remote.address),
};

describe.each(Object.entries(integrations))("HTTP contract: %s", (_, integration) => {
  for (const { name, run } of httpContract(integration)) test(name, run);
});
