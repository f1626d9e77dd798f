import { parseArgs } from "node:util";
import { type Library, loadLibrary } from "./library.ts";
import { type Hunt, killMutants } from "./mutant.ts";
import type { Found, Wandering } from "./search.ts";

/** What `npm run explore` and its like explore: the scenes of one part of the library. */
export interface Exploration<Bounds extends { readonly name: string }> {
  readonly scenes: readonly Bounds[];
  explore(library: Library, bounds: Bounds, states: number): Promise<Found>;
  wander(library: Library, bounds: Bounds, walks: number): Promise<Wandering>;
  /** What a scene allows, for a reader. */
  limitsOf(bounds: Bounds): string;
  /** How deep, unless the command says. */
  readonly states: number;
  readonly walks: number;
  readonly hunt: Hunt<Bounds>;
  /** What is looked at besides the scenes. */
  besides?(library: Library): Promise<{ readonly violations: readonly string[]; readonly report: string }>;
}

/** Does what the command line says: explores every scene or one, or breaks the code and shows who notices. */
export async function runCommand<Bounds extends { readonly name: string }>(
  exploration: Exploration<Bounds>,
): Promise<void> {
  const { values } = parseArgs({
    options: {
      states: { type: "string", default: String(exploration.states) },
      walks: { type: "string", default: String(exploration.walks) },
      scene: { type: "string" },
      mutants: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  const { hasFailed, json } = values.mutants
    ? await showMutants(exploration.hunt)
    : await showScenes(exploration, Number(values.states), Number(values.walks), values.scene);
  if (values.json) console.log(JSON.stringify(json));
  process.exitCode = hasFailed ? 1 : 0;
}

interface Shown {
  readonly hasFailed: boolean;
  readonly json: unknown;
}

async function showMutants<Bounds extends { readonly name: string }>(hunt: Hunt<Bounds>): Promise<Shown> {
  const json = await killMutants(hunt);
  const alive = json.filter(({ killedBy }) => killedBy === undefined).length;
  console.log(`${json.length - alive} of ${json.length} mutants killed`);
  return { hasFailed: alive > 0, json };
}

/** Up to the first violation. */
async function showScenes<Bounds extends { readonly name: string }>(
  { scenes, explore, wander, limitsOf, besides }: Exploration<Bounds>,
  states: number,
  walks: number,
  scene: string | undefined,
): Promise<Shown> {
  const library = await loadLibrary();
  const chosen = scenes.filter(({ name }) => scene === undefined || name === scene);
  if (chosen.length === 0)
    throw new Error(`no scene is called "${scene}": ${scenes.map(({ name }) => name).join(", ")}`);
  const results: Found[] = [];
  let walked = 0;
  for (const bounds of chosen) {
    const explored = await explore(library, bounds, states);
    const walk: Wandering =
      explored.violation === undefined
        ? await wander(library, bounds, walks)
        : { steps: 0, violation: undefined };
    walked += walk.steps;
    const result = { ...explored, violation: explored.violation ?? walk.violation };
    results.push(result);
    console.log(reportOf(bounds.name, limitsOf(bounds), result));
    if (result.violation !== undefined) break;
  }
  const others = await besides?.(library);
  if (others !== undefined) console.log(others.report);
  const sum = (count: (result: Found) => number) =>
    results.reduce((total, result) => total + count(result), 0);
  const json = {
    scenes: results.length,
    complete: sum(({ isComplete }) => Number(isComplete)),
    states: sum(({ states: found }) => found),
    steps: sum(({ steps }) => steps),
    schedules: String(results.reduce((total, { schedules }) => total + schedules, 0n)),
    walked,
    failed: sum(({ violation }) => Number(violation !== undefined)) + (others?.violations.length ?? 0),
  };
  console.log(
    `${json.states} worlds, ${json.steps} steps, ${json.schedules} schedules, ${walked} steps of random walks, ${json.complete} of ${json.scenes} scenes complete, ${json.failed} violations`,
  );
  return { hasFailed: json.failed > 0, json };
}

function reportOf(name: string, limits: string, { violation, ...found }: Found): string {
  const { states, steps, schedules, depth, isComplete } = found;
  const extent = isComplete ? "complete" : `to a depth of ${depth} steps`;
  const lines = [
    `${name}: ${states} worlds, ${steps} steps, ${schedules} schedules, ${extent}`,
    `  ${limits}`,
  ];
  if (violation !== undefined) {
    lines.push(`${violation.invariant} does not hold: ${violation.what}`);
    lines.push(...violation.story.map((step, index) => `  ${index + 1}. ${step}`));
  }
  return lines.join("\n");
}
