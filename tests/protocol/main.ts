/**
 * Explores the protocol on the real code.
 *
 *   npm run explore                         every scene, deep
 *   npm run explore -- --states 40000       so many worlds a scene
 *   npm run explore -- --walks 200          so many random walks a scene
 *   npm run explore -- --scene "a thief"    one scene
 *   npm run explore -- --mutants            breaks the code in every named way, and shows who notices
 *   npm run explore -- --json               results as JSON, on the last line
 */
import { runCommand } from "./command.ts";
import { explore, wander } from "./explorer.ts";
import { mutants } from "./mutant-list.ts";
import { scenes } from "./scenes.ts";
import { spaceVisits, visitsReport } from "./visits.ts";

await runCommand({
  scenes,
  explore,
  wander,
  limitsOf: ({ parallel, handlers, thefts, times }) =>
    `at most ${parallel} requests at a time (${handlers.join(", ")}), ${thefts} thefts, windows ${JSON.stringify(times)}`,
  states: 600_000,
  walks: 2000,
  async besides(library) {
    const visits = await spaceVisits(library);
    return { violations: visits.violations, report: visitsReport(visits) };
  },
  hunt: {
    ...{ mutants, scenes, stages: [2500, 15_000, 60_000], folder: "mutants" },
    look: async (library, bounds, states) => (await explore(library, bounds, states)).violation,
    lookElsewhere: async (library) => (await spaceVisits(library)).violations[0],
  },
});
