import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { createApp } from "./app.js";
import { OpenidProvider } from "./openid.js";
import { createProvider } from "./provider.js";

// Two names of this machine, which are two sites to a browser.
const { PORT = "3000", PROVIDER_PORT = "3001", RESPONSE_MODE = "query" } = process.env;
const origin = `http://localhost:${PORT}`;
const issuer = `http://127.0.0.1:${PROVIDER_PORT}`;
const clientId = "shop";
const clientSecret = randomBytes(32).toString("base64url");

const { listener } = await createProvider({
  issuer,
  origin,
  client: { client_id: clientId, client_secret: clientSecret },
  accounts: {
    ada: { email: "ada@example.com", email_verified: true },
    bob: { email: "bob@example.com", email_verified: true },
  },
});
createServer(listener).listen(Number(PROVIDER_PORT), "127.0.0.1");

const { app, users } = createApp({
  database: new DatabaseSync(":memory:"),
  keys: randomBytes(32).toString("base64url"),
  provider: new OpenidProvider({
    issuer,
    clientId,
    clientSecret,
    origin,
    responseMode: RESPONSE_MODE,
    plainHttp: true,
  }),
  notify: (user, text) => console.log(`Mail to ${user.email}: ${text}`),
  plainHttp: true,
});
users.add({ email: "ada@example.com", password: "only for trying it out" });
app.listen(Number(PORT), "127.0.0.1", () =>
  console.log(`${origin} (ada@example.com, only for trying it out)`),
);
