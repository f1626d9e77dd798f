// npm i @nestjs/common @nestjs/core @nestjs/platform-express reflect-metadata rxjs psession
// npx tsc && node dist/express.js
import "reflect-metadata";
import { NestFactory } from "@nestjs/core";
import { originCheck, sessions } from "psession/express";
import { psession } from "./sessions.js";
import { ShopModule } from "./shop.js";

const app = await NestFactory.create(ShopModule, { logger: ["error", "warn"] });
app.use(originCheck(), sessions(psession));
app.enableShutdownHooks();
await app.listen(process.env["PORT"] ?? 3000);
