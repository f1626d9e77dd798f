/**
 * Explores, on the real code, what an account does around a sign-in: its two steps, trust in a browser, extensions, handles, erasure.
 *
 *   npm run explore:account                      every scene, deep
 *   npm run explore:account -- --states 4000     so many worlds a scene
 *   npm run explore:account -- --walks 500       so many random walks a scene
 *   npm run explore:account -- --scene "trust until its end"
 *   npm run explore:account -- --mutants         breaks the code in every named way, and shows who notices
 *   npm run explore:account -- --json            results as JSON, on the last line
 */
import { runCommand } from "../command.ts";
import { explore, wander } from "./explorer.ts";
import { mutants } from "./mutant-list.ts";
import { scenes } from "./scenes.ts";

const WORLDS_A_WALK = 100;

await runCommand({
  scenes,
  explore,
  wander,
  limitsOf: ({ requests, parallel, acts, ticks }) =>
    `${requests} requests, ${parallel} at a time (${acts.join(", ")}), ${ticks} ticks`,
  states: 200_000,
  walks: 1000,
  hunt: {
    ...{ mutants, scenes, stages: [1500, 6000], folder: "mutants-of-accounts" },
    async look(library, bounds, states) {
      const { violation } = await wander(library, bounds, states / WORLDS_A_WALK);
      return violation ?? (await explore(library, bounds, states)).violation;
    },
  },
});
