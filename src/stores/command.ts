/** Of every copy of psession in this process: the command line may load a configuration that imports another one. */
const COMMAND = Symbol.for("psession.command");

const shared = globalThis as { [COMMAND]?: boolean };

/**
 * While a command loads a configuration, a store whose tables were made with other options is made all the same: for the
 * commands that report and repair that. An application has to fail at its start instead. Warnings for the start of an
 * application are left out as well.
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
