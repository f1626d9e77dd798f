import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** They take minutes, and their files are small, for which vitest takes them last: all else would be done by then. */
const LONGEST = [
  /protocol\/explore\.test/,
  /stores\/contract\.test/,
  /browser\/protocol\.test/,
  /stores\/(?:naming|contract-notices|naming-contract|redis\/contract)\.test/,
  /protocol\/account\/explore\.test/,
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = LONGEST.findIndex((pattern) => pattern.test(moduleId));
      return at === -1 ? LONGEST.length : at;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

/** Where the figures of a run go that somebody reads: CI, or scripts/runtimes.ts. */
const { CI, PSESSION_TEST_REPORT: report = CI ? ".tmp/vitest.json" : undefined } = process.env;

export default defineConfig({
  test: {
    // The examples of integrations and stores run on the sources, as everything else here does.
    alias: {
      "psession/integration": new URL("src/integration/index.ts", import.meta.url).pathname,
      "psession/store": new URL("src/stores/index.ts", import.meta.url).pathname,
    },
    include: ["tests/**/*.test.ts"],
    globalSetup: ["tests/support/servers/run.ts"],
    // Files wait for databases most of the time: two at once take little more than half as long on two cores.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    tags: [
      { name: "crowd", description: "A hundred or more write at once, or as much is done in turn: slow." },
    ],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]],
  },
});
