/** What is used of React. Its own types declare names of the DOM for everybody, and these pages are built where there is none. */
declare module "react" {
  export function useSyncExternalStore<Snapshot>(
    subscribe: (changed: () => void) => () => void,
    current: () => Snapshot,
    onServer: () => Snapshot,
  ): Snapshot;
}
