/**
 * Explores, on the real code, what an account does around a sign-in: its two steps, trust in a browser, extensions, handles.
 *
 *   npm run explore:account                      every scene, deep
 *   npm run explore:account -- --states 4000     so many worlds a scene
 *   npm run explore:account -- --walks 500       so many random walks a scene
 *   npm run explore:account -- --scene "trust until its end"
 *   npm run explore:account -- --mutants         breaks the code in every named way, and shows who notices
 *   npm run explore:account -- --json            results as JSON, on the last line
 */
import { parseArgs } from "node:util";
import { loadLibrary } from "../library.ts";
import { type Exploration, explore, wander } from "./explorer.ts";
import { killMutants } from "./mutants.ts";
import { scenes } from "./scenes.ts";

const { values } = parseArgs({
  options: {
    states: { type: "string", default: "200000" },
    walks: { type: "string", default: "1000" },
    scene: { type: "string" },
    mutants: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

if (values.mutants) await showMutants();
else await showScenes();

async function showScenes(): Promise<void> {
  const library = await loadLibrary();
  const chosen = scenes.filter(({ name }) => values.scene === undefined || name === values.scene);
  if (chosen.length === 0)
    throw new Error(`no scene is called "${values.scene}": ${scenes.map(({ name }) => name).join(", ")}`);
  const results: Exploration[] = [];
  let walked = 0;
  for (const bounds of chosen) {
    const explored = await explore(library, bounds, Number(values.states));
    const walk = await wander(library, bounds, Number(values.walks));
    walked += walk.steps;
    const result = { ...explored, violation: explored.violation ?? walk.violation };
    results.push(result);
    console.log(reportOf(result));
  }
  const sum = (count: (result: Exploration) => number) =>
    results.reduce((total, result) => total + count(result), 0);
  const total = {
    scenes: results.length,
    complete: sum(({ isComplete }) => Number(isComplete)),
    states: sum(({ states }) => states),
    steps: sum(({ steps }) => steps),
    walked,
    failed: sum(({ violation }) => Number(violation !== undefined)),
  };
  console.log(
    `${total.states} worlds, ${total.steps} steps, ${walked} steps of random walks, ${total.complete} of ${total.scenes} scenes complete, ${total.failed} violations`,
  );
  if (values.json) console.log(JSON.stringify(total));
  process.exitCode = total.failed === 0 ? 0 : 1;
}

async function showMutants(): Promise<void> {
  const results = await killMutants((text) => console.log(text));
  const alive = results.filter(({ killedBy }) => killedBy === undefined);
  console.log(`${results.length - alive.length} of ${results.length} mutants killed`);
  if (values.json) console.log(JSON.stringify(results));
  process.exitCode = alive.length === 0 ? 0 : 1;
}

function reportOf({ bounds, states, steps, depth, isComplete, violation }: Exploration): string {
  const extent = isComplete ? "complete" : `to a depth of ${depth} steps`;
  const line = `${bounds.name}: ${states} worlds, ${steps} steps, ${extent}`;
  const limits = `  ${bounds.requests} requests, ${bounds.parallel} at a time (${bounds.acts.join(", ")}), ${bounds.ticks} ticks`;
  if (violation === undefined) return `${line}\n${limits}`;
  const story = violation.story.map((step, index) => `  ${index + 1}. ${step}`).join("\n");
  return `${line}\n${limits}\n${violation.invariant} does not hold: ${violation.what}\n${story}`;
}
