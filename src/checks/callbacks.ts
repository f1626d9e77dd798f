import { PsessionError } from "../errors.ts";

type Method = (...values: unknown[]) => unknown;

/**
 * Methods of other libraries' sessions take a callback. Here it would never be called, and the request never
 * answered; so it is refused at once, where the handler still runs, rather than by a promise that is not awaited.
 */
export function refuseCallbacks(prototype: object, names: readonly string[]): void {
  for (const name of names) {
    const method = Reflect.get(prototype, name) as Method;
    Object.defineProperty(prototype, name, {
      configurable: true,
      writable: true,
      value(this: object, ...values: unknown[]) {
        if (values.some((value) => typeof value === "function")) throw callbackGiven(name);
        return Reflect.apply(method, this, values);
      },
    });
  }
}

const callbackGiven = (name: string): PsessionError =>
  new PsessionError(
    "invalid_options",
    `session.${name} takes no callback, but returns a promise: await session.${name}().`,
  );
