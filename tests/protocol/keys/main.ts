/**
 * Explores, on the real code, sessions that are bound to a key of their browser: registration, refresh, thieves, lost answers.
 *
 *   npm run explore:keys                      every scene, deep
 *   npm run explore:keys -- --states 4000     so many worlds a scene
 *   npm run explore:keys -- --walks 500       so many random walks a scene
 *   npm run explore:keys -- --scene "a thief with all cookies"
 *   npm run explore:keys -- --mutants         breaks the code in every named way, and shows who notices
 *   npm run explore:keys -- --json            results as JSON, on the last line
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
  limitsOf: ({ requests, parallel, acts, crimes = [], ticks }) =>
    `${requests} requests, ${parallel} at a time (${acts.join(", ")}), a thief (${crimes.join(", ") || "none"}), ${ticks} ticks`,
  states: 100_000,
  walks: 1000,
  hunt: {
    ...{ mutants, scenes, stages: [1500, 6000], folder: "mutants-of-keys" },
    async look(library, bounds, states) {
      const { violation } = await wander(library, bounds, states / WORLDS_A_WALK);
      return violation ?? (await explore(library, bounds, states)).violation;
    },
  },
});
