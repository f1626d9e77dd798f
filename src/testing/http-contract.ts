import { arrivals } from "./http/arrivals.ts";
import { caches } from "./http/caches.ts";
import { contexts } from "./http/contexts.ts";
import { deviceBound } from "./http/device-bound.ts";
import { devicesPage } from "./http/devices-page.ts";
import { faults } from "./http/faults.ts";
import { type HttpCase, type HttpCases, openFixture } from "./http/fixture.ts";
import { guards } from "./http/guards.ts";
import type { HttpIntegration } from "./http/integration.ts";
import { responses } from "./http/responses.ts";
import { senders } from "./http/senders.ts";
import { signInSteps } from "./http/sign-in-steps.ts";
import { streams } from "./http/streams.ts";
import { transport } from "./http/transport.ts";
import { turns } from "./http/turns.ts";
import { visits } from "./http/visits.ts";
import type { ContractCase } from "./store-contract.ts";

const CASES: HttpCases = {
  ...visits,
  ...responses,
  ...faults,
  ...transport,
  ...guards,
  ...signInSteps,
  ...devicesPage,
  ...deviceBound,
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
  return Object.entries(CASES).map(([name, one]) => ({ name, run: () => runCase(integration, one) }));
}

async function runCase(integration: HttpIntegration, one: HttpCase): Promise<void> {
  const { run, ...options } = typeof one === "function" ? { run: one } : one;
  const fixture = await openFixture(integration, options);
  try {
    await run(fixture);
  } finally {
    await fixture.close();
    await fixture.psession.close();
  }
}
