import { arrivals } from "./http/arrivals.ts";
import { caches } from "./http/caches.ts";
import { contexts } from "./http/contexts.ts";
import { faults } from "./http/faults.ts";
import { guards } from "./http/guards.ts";
import type { HttpIntegration } from "./http/integration.ts";
import { responses } from "./http/responses.ts";
import { openScene, type Stories, type Story } from "./http/scene.ts";
import { senders } from "./http/senders.ts";
import { streams } from "./http/streams.ts";
import { transport } from "./http/transport.ts";
import { turns } from "./http/turns.ts";
import { visits } from "./http/visits.ts";
import type { ContractCase } from "./store-contract.ts";

const STORIES: Stories = {
  ...visits,
  ...responses,
  ...faults,
  ...transport,
  ...guards,
  ...turns,
  ...arrivals,
  ...senders,
  ...contexts,
  ...streams,
  ...caches,
};

/**
 * What every integration must do with real requests over real connections, as cases for any test runner:
 * `for (const { name, run } of httpContract(integration)) test(name, run)`.
 */
export function httpContract(integration: HttpIntegration): ContractCase[] {
  return Object.entries(STORIES).map(([name, story]) => ({ name, run: () => tell(integration, story) }));
}

async function tell(integration: HttpIntegration, story: Story): Promise<void> {
  const { run, ...options } = typeof story === "function" ? { run: story } : story;
  const scene = await openScene(integration, options);
  try {
    await run(scene);
  } finally {
    await scene.close();
    await scene.psession.close();
  }
}
