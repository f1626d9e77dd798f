import { PsessionError } from "../errors.ts";

/** Names that are no data elsewhere either. */
const OF_COOKIES: ReadonlySet<string> = new Set(["cookie", "maxAge"]);

const lost = (name: string): PsessionError =>
  new PsessionError(
    "invalid_data",
    OF_COOKIES.has(name)
      ? `session.${name} = … has no effect: cookies are options of createPsession (session.idle, session.absolute, cookies), ` +
          "a sign-in that outlives the browser is session.login(userId, { remember: true }), and data goes into session.data."
      : `session.${name} = … would be lost: data goes into session.data, as in session.data.${name} = …, or by ` +
          `session.set("${name}", …).`,
  );

/** The end of a session's prototype chain, and so called where an unknown name is assigned. */
const behind = new Proxy(Object.create(Object.prototype) as object, {
  set(_target, name, value, receiver) {
    if (typeof name === "string") throw lost(name);
    // What tools note on an object.
    return Reflect.defineProperty(receiver, name, {
      value,
      writable: true,
      enumerable: false,
      configurable: true,
    });
  },
});

/**
 * Makes assignments to a session itself throw. Other libraries keep data there, and sloppy-mode code would lose it
 * silently, as it does where a property has only a getter, or an object is not extensible.
 */
export function refuseAssignments(prototype: object): void {
  for (const [name, { get, set }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (get === undefined || set !== undefined) continue;
    Object.defineProperty(prototype, name, {
      set() {
        throw name === "data"
          ? new PsessionError("invalid_data", "session.data cannot be replaced: change what is in it.")
          : lost(name);
      },
    });
  }
  if (Object.getPrototypeOf(prototype) === Object.prototype) Object.setPrototypeOf(prototype, behind);
}
