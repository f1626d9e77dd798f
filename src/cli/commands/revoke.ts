import type { Command } from "commander";
import { deadlineOf, isDevice } from "../../stores/devices.ts";
import type { UserId } from "../../stores/store.ts";
import { type Config, type ConfigFlags, takesConfig, withConfig } from "../config.ts";
import { assertAgreed } from "../confirm.ts";
import type { Environment } from "../environment.ts";
import { EXIT, Stop } from "../exit.ts";
import { plural, say, sayJson } from "../output.ts";
import { userIdOf } from "../values.ts";

interface Flags extends ConfigFlags {
  readonly user?: string;
  readonly text?: true;
  readonly everyone?: true;
  readonly reason: string;
  readonly yes?: true;
  readonly json?: true;
}

type Whom = { readonly handle: string } | { readonly userId: UserId } | { readonly everyone: true };

/** @internal */
export function addRevoke(program: Command, environment: Environment): void {
  takesConfig(program.command("revoke"))
    .summary("end sessions and remembered logins")
    .description(
      "Ends a device by its handle, all devices of a user, or everything. Requests and sign-ins that are under way at that moment are refused as well.",
    )
    .argument("[handle]", "from psession devices or sessions")
    .option("--user <id>", "all devices of this user")
    .option("--text", "the user's id is text, though it looks like a number")
    .option("--everyone", "all devices of all users, and all anonymous sessions")
    .option("--reason <word>", "the reason to record", "revoked")
    .option("--yes", "do not ask")
    .option("--json", "answer as JSON")
    .showHelpAfterError("(a handle that begins with a dash goes last, after two: psession revoke -- -x…)")
    .action((handle: string | undefined, flags: Flags, command: Command) => {
      const { user, everyone } = flags;
      const given = [handle, user, everyone].filter((choice) => choice !== undefined);
      if (given.length !== 1) command.error("error: give one of a handle, --user and --everyone");
      return withConfig(environment, flags, (config) =>
        revoke(environment, config, whomOf(config, handle, flags), flags),
      );
    });
}

function whomOf({ store }: Config, handle: string | undefined, { user, text }: Flags): Whom {
  if (handle !== undefined) return { handle };
  return user === undefined ? { everyone: true } : { userId: userIdOf(user, store.userIds, text) };
}

async function revoke(
  environment: Environment,
  config: Config,
  whom: Whom,
  { reason, yes, json }: Flags,
): Promise<void> {
  // Before the question, as faulty options would fail the command after it.
  const service = config.service();
  await assertAgreed(environment, await questionOf(config, whom), yes);
  const ended =
    "handle" in whom
      ? Number(await service.revoke(whom.handle, reason))
      : "userId" in whom
        ? await service.revokeUser(whom.userId, reason)
        : await service.revokeEveryone(reason);
  await service.flush();
  if ("handle" in whom && ended === 0) {
    throw new Stop(EXIT.failed, "There is no such device: it has ended, or the handle is another one's.");
  }
  if (json) sayJson(environment, { ended });
  else say(environment, `Ended ${plural(ended, "device")}.`);
}

async function questionOf({ store, clock }: Config, whom: Whom): Promise<string> {
  if ("handle" in whom) return "Sign this device out?";
  if ("everyone" in whom) return "Sign ALL USERS out, everywhere?";
  const now = clock.now();
  const entries = await store.list(whom.userId);
  const devices = entries.filter((entry) => deadlineOf(entry) >= now && isDevice(entry));
  return `Sign user ${JSON.stringify(whom.userId)} out of ${plural(devices.length, "device")}?`;
}
