import type {
  ChangeParts,
  ChangeResult,
  Ended,
  EndSelector,
  ListedEntry,
  Proof,
  SessionRow,
  UserId,
} from "../store.ts";

/** What differs between a single server, where one script reaches all keys, and a cluster, where it reaches a slot. */
export interface Writer {
  /** A session without a login, and nothing else. With a proof it has a user. */
  insert(row: SessionRow, proof: Proof | undefined, deadline: number): Promise<ChangeResult>;
  apply(change: ChangeParts, deadline: number): Promise<ChangeResult>;
  end(selector: EndSelector): Promise<Ended[]>;
  list(userId: UserId): Promise<ListedEntry[]>;
}
