import { DatabaseSync } from "node:sqlite";
import { createTransport } from "nodemailer";
import { createApp } from "./app.js";

const { DATABASE = "shop.sqlite", PORT = "3000", SESSION_KEYS, ORIGIN, SMTP, MAIL_FROM } = process.env;
for (const [name, value] of Object.entries({ SESSION_KEYS, ORIGIN, SMTP, MAIL_FROM }))
  if (!value) throw new Error(`${name} is not set.`);

const database = new DatabaseSync(DATABASE);
database.exec("PRAGMA journal_mode = WAL");
const transport = createTransport(SMTP, { from: MAIL_FROM });
const { app, psession } = createApp({
  database,
  keys: SESSION_KEYS,
  origin: ORIGIN,
  sendMail: (mail) => transport.sendMail(mail),
});

// Only for nginx on the same machine.
const server = app.listen(Number(PORT), "127.0.0.1");

process.once("SIGTERM", () => {
  server.close(async () => {
    await psession.close();
    database.close();
  });
});
