import type { Change, ChangeResult, Ended, EndSelector, UserEntry, UserId } from "../store.ts";

/** What is done differently where all keys are in reach of one script, and where only a slot is. */
export interface Writer {
  apply(change: Change, deadline: number): Promise<ChangeResult>;
  end(selector: EndSelector, deadline: number): Promise<Ended[]>;
  list(userId: UserId, deadline: number): Promise<UserEntry[]>;
}
