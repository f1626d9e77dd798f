import type { EndSelector } from "../../src/stores/store.ts";
import type { Runner } from "./request.ts";
import { perform } from "./rows.ts";
import type { Bounds, Step, World } from "./world.ts";

/** What happens to the store beside the requests. */
export async function storeSteps(world: World, bounds: Bounds, runner: Runner): Promise<Step[]> {
  const steps: Step[] = [];
  const add = (label: string, changes: Partial<World>) => {
    steps.push({ label, world: { ...world, ...changes } });
  };
  const { ghost } = world;
  if (bounds.revokes && !ghost.hasEnded) {
    for (const { label, whom } of revocationsOf(world, runner)) {
      const value = { ...whom, reason: "revoked", at: world.now, pruneAfter: world.now };
      const { rows } = await perform(runner.library, world.rows, {
        name: "apply",
        values: [{ ...value, kind: "revoke" }],
      });
      const marks =
        whom.mark === undefined
          ? ghost.marks
          : [...ghost.marks, { user: "ada", at: world.now, by: undefined }];
      const isEmpty = ghost.signIns === 0;
      add(label, { rows, ghost: { ...ghost, hasEnded: true, isEmpty, marks } });
    }
  }
  if (world.backup !== undefined && !ghost.isSetBack && world.travellers.length === 0)
    add("the store is set back to its backup", {
      rows: world.backup,
      ghost: { ...ghost, isSetBack: true },
    });
  if (bounds.splits === true && !ghost.isSetBack && world.travellers.length === 0)
    add("the store falls into two halves", {
      other: world.rows,
      ghost: { ...ghost, isSetBack: true, isSplit: true },
    });
  if (world.other !== undefined) {
    const { other, travellers } = world;
    add("the other half is thrown away", {
      other: undefined,
      travellers: travellers.filter(({ isBeyond }) => !isBeyond),
    });
    add("this half is thrown away", {
      rows: other,
      other: undefined,
      travellers: travellers
        .filter(({ isBeyond }) => isBeyond)
        .map((traveller) => ({ ...traveller, isBeyond: false })),
    });
  }
  if (world.replica !== undefined && world.replica !== world.rows)
    add("the replica catches up", { replica: world.rows });
  if (bounds.lives !== undefined && !world.isLimited) add("a deploy shortens all lives", { isLimited: true });
  return steps;
}

/** What `revokeUser`, `revoke` and, from another device, `passwordChanged` ask of the store. */
function revocationsOf(
  { rows, now }: World,
  { library, settings }: Runner,
): { label: string; whom: Partial<EndSelector> }[] {
  const alive = [...rows.logins.values()].filter(({ revokedAt }) => revokedAt === undefined);
  const byHandle = alive.map(({ id }) => ({
    label: "the device is revoked by its handle",
    whom: { handle: id },
  }));
  const user = { userId: "ada", mark: library.markAt(library.markOfUser("ada"), now, settings) };
  return [
    { label: "the user is revoked everywhere", whom: user },
    {
      label: "the password is changed on another device",
      whom: { ...user, except: "the session of another device" },
    },
    // With several logins one handle would not end everything, which is what is checked after it.
    ...(alive.length === 1 ? byHandle : []),
  ];
}
