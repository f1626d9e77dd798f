import { getConnInfo } from "@hono/node-server/conninfo";
import express5 from "express";
// @ts-expect-error: Express 4 is here under another name, without types of its own.
import express4 from "express4";
import { describe, test } from "vitest";
import { type HttpFace, httpContract } from "../../src/testing/contracts.ts";
import { expressFace } from "./faces/express.ts";
import { dropInFace } from "./faces/express-session.ts";
import { fastifyFace } from "./faces/fastify.ts";
import { fetchFace } from "./faces/fetch.ts";
import { honoFace } from "./faces/hono.ts";
import { http2Face } from "./faces/http2.ts";
import { koaFace } from "./faces/koa.ts";
import { nodeFace } from "./faces/node.ts";
import { polkaFace } from "./faces/polka.ts";
import { onNode } from "./faces/served-by-hono.ts";

const faces: Record<string, HttpFace> = {
  "node:http": nodeFace,
  "node:http2": http2Face,
  "Express 5": expressFace(express5),
  "Express 4": expressFace(express4 as () => express5.Express),
  "express-session's drop-in, Express 5": dropInFace(express5),
  "express-session's drop-in, Express 4": dropInFace(express4 as () => express5.Express),
  Fastify: fastifyFace({ open: "lazy" }),
  "Fastify, open before handlers": fastifyFace({ open: "always" }),
  Koa: koaFace({}),
  "Koa, sessions always open": koaFace({ open: "always" }),
  "Polka, by the kit alone": polkaFace,
  fetch: fetchFace(onNode),
  Hono: honoFace(onNode, (c) => getConnInfo(c).remote.address),
};

describe.each(Object.entries(faces))("HTTP contract: %s", (_, face) => {
  for (const { name, run } of httpContract(face)) test(name, run);
});
