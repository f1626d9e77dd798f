import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  export interface ProvidedContext {
    /** Where this run of vitest keeps the data of servers that its tests start. */
    serversFolder: string;
  }
}

/** Vitest's global setup: one folder for all test files of a run, so that each kind of server is set up once. */
export default function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), "psession-servers-"));
  // Servers may run as another user than the tests, and must get through to their own folders in here.
  chmodSync(folder, 0o711);
  project.provide("serversFolder", folder);
  return () => rmSync(folder, { recursive: true, force: true });
}
