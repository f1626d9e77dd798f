import { PsessionError } from "../../errors.ts";
import { factsOf } from "../../request/facts.ts";
import type { Integration } from "./exchange.ts";
import { type Callback, called, type FastifySession } from "./session.ts";

const COOKIES =
  "decryptSession takes no attributes of cookies: they are options of createPsession, for all requests alike.";

/** `@fastify/session` takes them before the callback. */
const isCookie = (given: unknown): boolean =>
  typeof given === "object" && given !== null && Object.keys(given).length > 0;

/** `fastify.decryptSession`: a session by its cookie, for requests that do not come through Fastify. */
export function readSession<Data extends object>({ psession, make }: Integration<Data>) {
  const read = async (cookie: string, request: object): Promise<FastifySession<Data>> => {
    // A session cookie's value has no "=": text with one is a whole Cookie header.
    const header = cookie.includes("=") ? cookie : `${psession.cookieNames.session}=${cookie}`;
    const facts = factsOf((name) => (name === "cookie" ? header : undefined), {
      method: undefined,
      // No cookie is sent over this connection, so an eavesdropper learns nothing new.
      secure: true,
      address: undefined,
      canSetCookies: false,
    });
    const exchange = psession.exchange(facts, make);
    const session = await exchange.open();
    // There is no response to wait for: changes are saved as they are made.
    await exchange.commit({ canSetCookies: false, savesAfterHead: true });
    Object.defineProperty(request, "session", { configurable: true, writable: true, value: session });
    return session;
  };
  return (cookie: string, request: object, ...rest: (object | Callback | undefined)[]) => {
    const callback = rest.at(-1);
    if (rest.some(isCookie)) throw new PsessionError("invalid_options", COOKIES);
    return called(read(cookie, request), typeof callback === "function" ? (callback as Callback) : undefined);
  };
}
