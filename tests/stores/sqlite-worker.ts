/** A process of its own for tests of several processes on one file: `path command ...`. */
import { createPsession } from "../../src/index.ts";
import { sqliteStore } from "../../src/stores/sqlite/index.ts";
import { KEY } from "../support/app.ts";

const [path = "", command] = process.argv.slice(2);

if (command === "migrate") {
  await sqliteStore({ path }).close?.();
} else if (command === "idle") {
  createPsession({ store: sqliteStore({ path }), keys: [KEY] });
}
process.disconnect?.();
