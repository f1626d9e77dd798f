import type { Command } from "commander";
import { otherSpelling } from "../../checks/user-id.ts";
import { deadlineOf, isDevice, lastUse } from "../../stores/devices.ts";
import type { UserId } from "../../stores/store.ts";
import { entriesOf, type Shown, shownDevice } from "../browsing.ts";
import { adminOf, type Config, type ConfigFlags, takesConfig, withConfig } from "../config.ts";
import type { Environment } from "../environment.ts";
import { hint, moment, plural, say, sayJson, table } from "../output.ts";
import { userIdOf, wholeNumber } from "../values.ts";
import { shownTable } from "./browse.ts";

interface Flags extends ConfigFlags {
  readonly text?: true;
  readonly limit: number;
  readonly json?: true;
}

interface Counted {
  readonly userId: UserId;
  devices: number;
  lastSeenAt: number;
}

/** @internal */
export function addUsers(program: Command, environment: Environment): void {
  takesConfig(program.command("users"))
    .summary("show a user's devices, or all users who are signed in")
    .description(
      "Shows where one user is signed in; without an id, all users who are signed in, the latest first. psession does not know users without a device.",
    )
    .argument("[id]", "the user's id in the application")
    .option("--text", "the id is text, though it looks like a number")
    .option("--limit <count>", "the most users to list", wholeNumber(1, 1_000_000), 50)
    .option("--json", "answer as JSON")
    .action((id: string | undefined, flags: Flags) =>
      withConfig(environment, flags, (config) =>
        id === undefined ? listUsers(environment, config, flags) : showUser(environment, config, id, flags),
      ),
    );
}

async function showUser(environment: Environment, config: Config, id: string, flags: Flags): Promise<void> {
  const { store, clock } = config;
  const now = clock.now();
  const userId = userIdOf(id, store.userIds, flags.text);
  const devices = (await store.list(userId))
    .map((entry) => shownDevice(entry, now))
    .filter((device): device is Shown => device !== undefined && device.expiresAt >= now)
    .sort((a, b) => b.lastSeenAt - a.lastSeenAt);
  if (flags.json) return sayJson(environment, { userId, devices });
  if (devices.length === 0) {
    say(environment, `User ${JSON.stringify(userId)} is signed in nowhere.`);
    const other = otherSpelling(userId, store.userIds);
    if (other === undefined || (await store.list(other)).length === 0) return;
    const remedy = typeof other === "string" ? "say --text" : "leave --text out";
    return hint(environment, `User ${JSON.stringify(other)} is signed in: ${remedy}.`);
  }
  say(environment, shownTable(environment, devices));
}

async function listUsers(environment: Environment, config: Config, { limit, json }: Flags): Promise<void> {
  const now = config.clock.now();
  const users = new Map<UserId, Counted>();
  for await (const entry of entriesOf(adminOf(config))) {
    const userId = entry.login?.userId ?? entry.session?.userId;
    if (userId === undefined || deadlineOf(entry) < now || !isDevice(entry)) continue;
    const counted = users.get(userId) ?? { userId, devices: 0, lastSeenAt: 0 };
    counted.devices++;
    counted.lastSeenAt = Math.max(counted.lastSeenAt, lastUse(entry));
    users.set(userId, counted);
  }
  const all = [...users.values()].sort((a, b) => b.lastSeenAt - a.lastSeenAt);
  const found = all.slice(0, limit);
  if (json) return sayJson(environment, { users: found, total: all.length });
  const rows = found.map(({ userId, devices, lastSeenAt }) => [
    String(userId),
    String(devices),
    moment(lastSeenAt),
  ]);
  say(environment, table(environment, ["user", "devices", "last used"], rows));
  hint(environment, `${plural(all.length, "user")} signed in${found.length < all.length ? "; --limit" : ""}`);
}
