/** One side's value under a key, as text; undefined where it has none. */
type Texts = (key: string) => string | undefined;

/**
 * Three-way, by top-level key: `take` is called for keys that only the other side changed since both read `was`. Gives
 * the keys that both sides changed differently; there the own value stays. `givesWay`: whether the own removal of a key
 * yields to another value.
 */
export function merge(
  keys: ReadonlySet<string>,
  { was, own, other }: { readonly was: Texts; readonly own: Texts; readonly other: Texts },
  take: (key: string) => void,
  givesWay: (key: string) => boolean = () => false,
): string[] {
  const conflicts: string[] = [];
  for (const key of keys) {
    const [before, mine, theirs] = [was(key), own(key), other(key)];
    if (theirs === mine || theirs === before) continue;
    if (mine === before || (mine === undefined && givesWay(key))) take(key);
    else conflicts.push(key);
  }
  return conflicts;
}
