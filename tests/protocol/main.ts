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
import { parseArgs } from "node:util";
import { type Exploration, explore, wander } from "./explorer.ts";
import { loadLibrary } from "./library.ts";
import { killMutants } from "./mutants.ts";
import { scenes } from "./scenes.ts";
import { spaceVisits, visitsReport } from "./visits.ts";

const { values } = parseArgs({
  options: {
    states: { type: "string", default: "600000" },
    walks: { type: "string", default: "2000" },
    scene: { type: "string" },
    mutants: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

if (values.mutants) await showMutants();
else await showScenes();

async function showScenes(): Promise<void> {
  const library = await loadLibrary();
  const states = Number(values.states);
  const chosen = scenes.filter(({ name }) => values.scene === undefined || name === values.scene);
  if (chosen.length === 0)
    throw new Error(`no scene is called "${values.scene}": ${scenes.map(({ name }) => name).join(", ")}`);
  const results: Exploration[] = [];
  let walked = 0;
  for (const bounds of chosen) {
    const result = await explore(library, bounds, { states, depth: Number.POSITIVE_INFINITY });
    results.push(result);
    print(reportOf(result));
    if (result.violation !== undefined) break;
    const walk = await wander(library, bounds, { walks: Number(values.walks), length: 40, seed: 1 });
    walked += walk.steps;
    if (walk.violation === undefined) continue;
    results.push({ ...result, violation: walk.violation });
    print(reportOf({ ...result, violation: walk.violation }));
    break;
  }
  const visits = await spaceVisits(library);
  print(visitsReport(visits));
  const failed = results.filter(({ violation }) => violation !== undefined).length + visits.violations.length;
  const total = {
    scenes: results.length,
    states: results.reduce((sum, result) => sum + result.states, 0),
    steps: results.reduce((sum, result) => sum + result.steps, 0),
    schedules: String(results.reduce((sum, result) => sum + result.schedules, 0n)),
    walked,
    visits: visits.visits,
    failed,
  };
  print(
    `${total.states} worlds, ${total.steps} steps, ${total.schedules} schedules, ${walked} steps of random walks, ${total.visits} spaced visits, ${failed} violations`,
  );
  if (values.json) console.log(JSON.stringify(total));
  process.exitCode = failed === 0 ? 0 : 1;
}

async function showMutants(): Promise<void> {
  const results = await killMutants(print);
  const alive = results.filter(({ killedBy }) => killedBy === undefined);
  print(`${results.length - alive.length} of ${results.length} mutants killed`);
  if (values.json) console.log(JSON.stringify(results));
  process.exitCode = alive.length === 0 ? 0 : 1;
}

function reportOf({ bounds, states, steps, schedules, depth, isComplete, violation }: Exploration): string {
  const extent = isComplete ? "complete" : `to a depth of ${depth} steps`;
  const line = `${bounds.name}: ${states} worlds, ${steps} steps, ${schedules} schedules, ${extent}`;
  const limits = `  at most ${bounds.parallel} requests at a time (${bounds.handlers.join(", ")}), ${bounds.thefts} thefts, windows ${JSON.stringify(bounds.times)}`;
  if (violation === undefined) return `${line}\n${limits}`;
  const story = violation.story.map((step, index) => `  ${index + 1}. ${step}`).join("\n");
  return `${line}\n${limits}\n${violation.invariant} does not hold: ${violation.what}\n${story}`;
}

function print(text: string): void {
  console.log(text);
}
