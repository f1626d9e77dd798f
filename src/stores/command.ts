/** Of every copy of psession in this process: the command line may load a configuration that imports another one. */
const COMMAND = Symbol.for("psession.command");

const shared = globalThis as { [COMMAND]?: boolean };

/**
 * While a command loads a configuration, a store whose tables were made with other options is made all the same: for the
 * command that says what is wrong, and the one that mends it. An application is to fail where it starts. Nor is a command
 * warned of what an application is warned of at its start.
 */
export async function loadingForCommand<T>(load: () => Promise<T>): Promise<T> {
  shared[COMMAND] = true;
  try {
    return await load();
  } finally {
    delete shared[COMMAND];
  }
}

/** The same for what is made at once. */
export function makingForCommand<T>(make: () => T): T {
  shared[COMMAND] = true;
  try {
    return make();
  } finally {
    delete shared[COMMAND];
  }
}

export const isLoadingForCommand = (): boolean => shared[COMMAND] === true;
