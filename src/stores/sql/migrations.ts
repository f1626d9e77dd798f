import { createHash } from "node:crypto";

/** One step of the schema, forward only. Once released it never changes: its checksum is recorded. */
export interface Migration {
  readonly name: string;
  readonly statements: readonly string[];
}

export const checksum = (migration: Migration): string =>
  createHash("sha256").update(migration.statements.join(";\n")).digest("hex").slice(0, 16);
