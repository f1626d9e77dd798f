/** One way to get the protocol wrong: `find` stands in `file` exactly once. */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Further changes, where one alone would be caught by another guard. */
  readonly also?: readonly { readonly file?: string; readonly find: string; readonly replace: string }[];
  /** The scene in which it dies soonest; the others are tried after it. */
  readonly scene?: string;
}
