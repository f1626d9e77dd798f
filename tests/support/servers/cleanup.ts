import { afterAll, onTestFinished } from "vitest";

type Clean = () => Promise<unknown>;

const untilEndOfFile: Clean[] = [];

// Registered where this module is imported, at the top of a test file, so it belongs to the whole file.
afterAll(async () => {
  const failures: unknown[] = [];
  for (const clean of untilEndOfFile.splice(0).reverse())
    await clean().catch((error) => failures.push(error));
  if (failures.length > 0) throw new AggregateError(failures, "Not everything could be cleaned up.");
});

/** Cleans up when the test that runs is over, or at the end of the file if none runs, whatever failed. */
export function whenDone(clean: Clean): void {
  try {
    onTestFinished(async () => void (await clean()));
  } catch {
    untilEndOfFile.push(clean);
  }
}
