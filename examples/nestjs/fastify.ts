// npm i @nestjs/common @nestjs/core @nestjs/platform-fastify reflect-metadata rxjs psession
// npx tsc && node dist/fastify.js
import "reflect-metadata";
import { NestFactory } from "@nestjs/core";
import { FastifyAdapter, type NestFastifyApplication } from "@nestjs/platform-fastify";
import { originCheck, sessions } from "psession/fastify";
import { psession } from "./sessions.js";
import { ShopModule } from "./shop.js";

const app = await NestFactory.create<NestFastifyApplication>(ShopModule, new FastifyAdapter(), {
  logger: ["error", "warn"],
});
app.getHttpAdapter().getInstance().addHook("onRequest", originCheck());
await app.register(sessions, { psession, open: "always" });
app.enableShutdownHooks();
await app.listen(process.env["PORT"] ?? 3000);
