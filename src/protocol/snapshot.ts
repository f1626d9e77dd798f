import v8 from "node:v8";

/**
 * Called when this process is being saved as a V8 start-up snapshot, from which many processes start: forget here what
 * must differ between them. Bun and Deno know no snapshots.
 */
export function beforeSnapshot(forget: () => void): void {
  const snapshot: Partial<typeof v8.startupSnapshot> | undefined = v8.startupSnapshot;
  // Some versions of Node answer with a number.
  if (snapshot?.isBuildingSnapshot?.()) snapshot.addSerializeCallback?.(forget);
}
