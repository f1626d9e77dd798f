import { assertUserId } from "../../checks/user-id.ts";
import { type AuditEntry, type AuditQuery, type AuditTrail, earliestAuditId } from "../audit.ts";

/** Audit entries in this process's memory. */
export class MemoryTrail implements AuditTrail {
  readonly #entries = new Map<string, AuditEntry>();

  async append(entries: readonly AuditEntry[]): Promise<void> {
    for (const entry of entries) this.#entries.set(entry.id, entry);
  }

  async prune(before: number, limit: number): Promise<number> {
    const end = earliestAuditId(before);
    const old = this.#sorted()
      .filter(({ id }) => id < end)
      .slice(0, limit);
    for (const { id } of old) this.#entries.delete(id);
    return old.length;
  }

  async read({ userId, since = 0, before, limit }: AuditQuery): Promise<readonly AuditEntry[]> {
    if (userId !== undefined) assertUserId(userId, "any");
    const from = earliestAuditId(since);
    const fits = (entry: AuditEntry) =>
      (userId === undefined || entry.userId === userId) &&
      entry.id >= from &&
      (before === undefined || entry.id < before);
    return this.#sorted().filter(fits).reverse().slice(0, limit);
  }

  async count(since: number): Promise<ReadonlyMap<string, number>> {
    const from = earliestAuditId(since);
    const counts = new Map<string, number>();
    for (const { id, event } of this.#entries.values())
      if (id >= from) counts.set(event, (counts.get(event) ?? 0) + 1);
    return counts;
  }

  #sorted(): AuditEntry[] {
    return [...this.#entries.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}
