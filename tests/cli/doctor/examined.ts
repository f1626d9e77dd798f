import { randomBytes } from "node:crypto";
import { expect } from "vitest";
import { KINDS, type Place, place } from "../places.ts";
import { psessionIn, type Ran } from "../run.ts";

export interface Found {
  readonly code: string;
  readonly severity: "error" | "warning" | "note";
  readonly message: string;
  readonly remedy?: string;
}

export interface Examined extends Place {
  /** Of this place alone: no file of the repository has it. */
  readonly key: string;
  doctor(values?: readonly string[], env?: Record<string, string | undefined>): Promise<Ran>;
  /** Findings by code; checks that the exit code fits them. */
  findings(values?: readonly string[], env?: Record<string, string | undefined>): Promise<Map<string, Found>>;
}

/** A configuration that is well, by the system's clock. */
export async function examined(kind = "sqlite", options?: { migrate?: boolean }): Promise<Examined> {
  const there = await place(KINDS[kind] as never, options);
  const key = randomBytes(32).toString("base64url");
  const doctor: Examined["doctor"] = (values = [], env = {}) =>
    psessionIn(
      { cwd: there.folder, env: { SESSION_KEYS: key, NODE_ENV: "development", ...env } },
      "doctor",
      ...values,
    );
  return {
    ...there,
    key,
    doctor,
    findings: async (values = [], env) => {
      const ran = await doctor([...values, "--json"], env);
      expect(ran.stderr).toBe("");
      expect(ran.stdout).not.toContain(key);
      const { ok, findings } = ran.json as { ok: boolean; findings: Found[] };
      const isWell = findings.every(({ severity }) => severity === "note");
      expect([ok, ran.code]).toEqual([isWell, isWell ? 0 : 1]);
      for (const { message } of findings) expect(message).toMatch(/[.]$/);
      return new Map(findings.map((one) => [one.code, one]));
    },
  };
}
