/**
 * Installs the example applications of frameworks that are too large to be here, with psession as npm would install it,
 * builds them for production, runs them, and tells their stories over HTTP, in Chromium and in Firefox; then the HTTP
 * contract runs against another production build. `npm run test:frameworks -- next` tries one. `--quick` leaves out all
 * builds but the first, Firefox and the contract. The last line is the sum: `N passed, N failed`.
 */
import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { parseArgs } from "node:util";
import { pack } from "./consumer.ts";
import {
  build,
  type Framework,
  install,
  type Place,
  place,
  type Site,
  type Story,
  start,
  timed,
} from "./frameworks/application.ts";
import { Browsers, browsersHere } from "./frameworks/browsers.ts";
import { runContract } from "./frameworks/contract.ts";
import { next } from "./frameworks/next.ts";
import { stories } from "./frameworks/stories.ts";
import { sveltekit } from "./frameworks/sveltekit.ts";

const FRAMEWORKS: readonly Framework[] = [next, sveltekit];

const {
  positionals: wanted,
  values: { quick: isQuick },
} = parseArgs({ allowPositionals: true, options: { quick: { type: "boolean", default: false } } });
const unknown = wanted.filter((name) => !FRAMEWORKS.some((framework) => framework.name === name));
if (unknown.length > 0) throw new Error(`There is no ${unknown.join(", ")}.`);

const browsers = browsersHere(isQuick ? ["Chromium"] : ["Chromium", "Firefox"]);
const tarball = pack();
let passed = 0;
let failed = 0;
for (const framework of FRAMEWORKS)
  if (wanted.length === 0 || wanted.includes(framework.name)) await tryFramework(framework);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);

async function check(name: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
    passed++;
    console.log(`  passed: ${name}`);
  } catch (error) {
    failed++;
    console.log(`  FAILED: ${name}\n${(error as Error).stack}`);
  }
}

async function tryFramework(framework: Framework): Promise<void> {
  const { name, builds, types, contract } = framework;
  const { folder, milliseconds } = await install(framework, tarball);
  console.log(`${name}: installed in ${milliseconds} ms`);
  const here = await place();
  try {
    for (const [at, way] of builds.entries()) {
      if (isQuick && at > 0) break;
      const built = await build(folder, way, { ORIGIN: here.origin });
      console.log(`${name}, ${way.name}: built in ${built} ms`);
      await check("a build needs no key and leaves no database", async () => {
        assert.deepEqual(globSync("**/*.sqlite*", { cwd: folder, exclude: ["node_modules"] }), []);
      });
      if (at === 0)
        await check("the types fit those of the framework", async () => void (await timed(types, folder)));
      await tellStories(framework, folder, way, here);
    }
  } finally {
    await here.close();
  }
  if (isQuick) return;
  for await (const result of runContract(folder, contract)) {
    passed += result.passed;
    failed += result.failures.length;
    for (const failure of result.failures) console.log(`  FAILED: ${failure}`);
    const { excepted, failures } = result;
    console.log(
      `${name}, ${result.name}: ${result.passed} passed, ${excepted} impossible, ${failures.length} failed`,
    );
  }
}

async function tellStories(
  framework: Framework,
  folder: string,
  way: Framework["builds"][number],
  here: Place,
): Promise<void> {
  const { site, milliseconds, stop } = await start(folder, way, here);
  console.log(`${framework.name}, ${way.name}: answered after ${milliseconds} ms`);
  const before = failed;
  const every = [...stories(framework.crossSite), ...framework.stories];
  const { below } = way;
  const overHttp = below === undefined ? every : below.stories;
  for (const story of overHttp) if ("run" in story) await check(story.name, () => story.run(site));
  const inBrowsers = below === undefined ? every : [...every, ...below.stories];
  for (const kind of browsers)
    await tellIn(new Browsers(kind, site.origin + (below?.path ?? "")), inBrowsers, site);
  if (failed > before) console.log(site.printed());
  await stop();
}

async function tellIn(browsers: Browsers, all: readonly Story[], site: Site): Promise<void> {
  try {
    for (const story of all)
      if ("inBrowser" in story && (story.only ?? browsers.kind.name) === browsers.kind.name)
        await check(`in ${browsers.kind.name}, ${story.name}`, () => story.inBrowser(browsers, site));
  } finally {
    await browsers.close();
  }
}
