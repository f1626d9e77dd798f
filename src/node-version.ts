/** The first version with all that psession uses: Promise.withResolvers, node:sqlite, require of ES modules. */
const OLDEST_NODE = [22, 13] as const;

function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1]);
}

/** Throws where this is an older Node than psession runs on. */
export function assertNode(version = process.versions.node): void {
  if (isTooOld(version)) {
    throw new Error(`psession needs Node ${OLDEST_NODE.join(".")} or later; this is Node ${version}.`);
  }
}
