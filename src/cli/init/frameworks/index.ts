import { express } from "./express.ts";
import { fastify } from "./fastify.ts";
import type { Framework } from "./framework.ts";
import { hono } from "./hono.ts";
import { koa } from "./koa.ts";
import { node } from "./node.ts";

/** By subpath; those that this package exports are offered. */
export const FRAMEWORKS: Readonly<Record<string, Framework>> = { express, fastify, koa, hono, node };
