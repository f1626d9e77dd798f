/** One run from beginning to end, even if contenders fail. */
import { cpus, loadavg } from "node:os";
import { Child } from "./child.ts";
import { CONTENDERS, idOf } from "./contenders/index.ts";
import { measureGrowth } from "./growth.ts";
import { Load, reasonOf, type Timing, Track } from "./measure.ts";
import { type Plan, planRun, type Wishes } from "./plan.ts";
import { showSteps } from "./progress.ts";
import type { BlockResult, CpuResult, GrowthResult, Results, SizeResult } from "./results.ts";
import { measureSize } from "./size.ts";
import { Stores } from "./stores.ts";

/** Calls `keep` with the results so far after each measurement: a run takes long, and may be stopped. */
export async function run(
  wishes: Wishes,
  timing: Timing,
  keep: (results: Results) => void,
): Promise<Results> {
  const plan = planRun(CONTENDERS, wishes);
  const begun = { at: new Date().toISOString(), load: loadavg()[0] ?? 0 };
  const steps = showSteps(stepsOf(plan, wishes, timing));
  const stores = new Stores();
  const load = new Load();
  /** Contenders that were not measured, and why: a failure does not affect the figures of the others. */
  const refused = new Map<string, string>();
  const unless = async <T>(id: string, work: () => Promise<T[]>): Promise<T[]> => {
    try {
      return await work();
    } catch (error) {
      refused.set(id, reasonOf(error));
      return [];
    }
  };
  // A run that is interrupted cleans up the databases too.
  process.once("SIGINT", () => void stores.close().finally(() => process.exit(130)));
  const blocks: BlockResult[] = [];
  let cpu: CpuResult | undefined;
  const growth: GrowthResult[] = [];
  const sizes: SizeResult[] = [];
  const resultsSoFar = (): Results => ({
    about: {
      at: begun.at,
      node: process.versions.node,
      machine: `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}`,
      load: [begun.load, loadavg()[0] ?? 0],
      ...timing,
      isQuick: wishes.isQuick,
    },
    blocks,
    cpu,
    growth,
    sizes,
    refused: Array.from(refused, ([id, why]) => ({ id, why })),
  });
  try {
    for (const group of groupsOf(plan)) {
      const track = new Track({ stores, load, timing, refused, onStep: steps.next });
      blocks.push(...(await track.measure(group)));
      keep(resultsSoFar());
    }
    if (plan.passes.includes("cpu")) cpu = await measureCpu(wishes.isQuick, steps.next);
    for (const store of plan.growing) {
      growth.push(
        ...(await unless(`growth, ${store}`, () => measureGrowth(stores, store, wishes.rows, steps.next))),
      );
    }
    keep(resultsSoFar());
    for (const contender of plan.sizes) {
      const id = `size, ${idOf(contender)}`;
      steps.next(id);
      sizes.push(...(await unless(id, () => measureSize(stores, load, contender))));
    }
    steps.done();
    return resultsSoFar();
  } finally {
    await load.stop();
    await stores.close();
  }
}

const groupsOf = ({ blocks }: Plan) => [...Map.groupBy(blocks, ({ group }) => group).values()];

/** The total for the progress bar. */
function stepsOf(plan: Plan, { rows }: Wishes, timing: Timing): number {
  const visits = groupsOf(plan).reduce((sum, group) => sum + Track.steps(group, timing), 0);
  return visits + plan.growing.length * rows.length * 4 + plan.sizes.length + 1;
}

async function measureCpu(isQuick: boolean, onStep: (what: string) => void): Promise<CpuResult> {
  onStep("CPU without store and http");
  const child = new Child("./cpu.ts", isQuick ? ["5", "2000"] : ["15", "5000"]);
  return (await child.next()) as CpuResult;
}
