/** Whether a value is an object with these methods. */
export const hasMethods = (value: unknown, names: readonly string[]): boolean =>
  typeof value === "object" && value !== null && areFunctions(value, names);

/** As `hasMethods`, for a value known to be an object or a function. */
export const areFunctions = (value: object, names: readonly string[]): boolean =>
  names.every((name) => typeof (value as Record<string, unknown>)[name] === "function");
