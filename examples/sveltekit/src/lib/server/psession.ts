import { createPsession, dangerouslyAllowInsecureHttp } from "psession";
import { sqliteStore } from "psession/sqlite";

// A function: `vite build` loads this module without keys and without a database.
export const psession = createPsession(() => ({
  store: sqliteStore({ path: process.env.SESSION_FILE ?? "sessions.sqlite", audit: true }),
  keys: process.env.SESSION_KEYS,
  [dangerouslyAllowInsecureHttp]: process.env.PSESSION_INSECURE_HTTP === "1", // for http://localhost
}));

psession.on("theft", ({ userId, request }) => console.warn("stolen cookie", userId, request.address));
