import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { SessionData } from "../../data/typing.ts";
import { PsessionError } from "../../errors.ts";
import type { EventName, PsessionEvent } from "../../events.ts";
import { isSameOrigin, type OriginOptions } from "../../http/origin.ts";
import type { Psession } from "../../psession.ts";
import type { Session } from "../../session.ts";
import { type NodeOptions, nodeFacts, visibleOrigin } from "./facts.ts";

/** What a connection that outlives its request has of its visitor. */
export interface Upgrade<Data extends object = SessionData> {
  /**
   * The session as it was when the connection was made. What is changed is stored by `save` or `update`, not by
   * itself; what needs a cookie (a sign-in, a first session, another level) cannot be done here.
   */
  readonly session: Session<Data>;
  /**
   * Whether that session is still there, by one read: not logged out or revoked, in whatever process, not past
   * its deadlines, not given to another sign-in. False where the visitor had none.
   */
  isAlive(): Promise<boolean>;
  /**
   * Calls `listener` once when this process ends the session. Other processes do not tell, and deadlines pass
   * in silence: ask `isAlive` before what matters, and now and then. Returns the function that stops listening.
   */
  onEnd(listener: () => void): () => void;
}

/**
 * The visitor of a WebSocket's upgrade. Throws `cross_site` (status 403) where a page of another origin asks:
 * browsers send cookies along with its handshake, and let it read the answers (ASVS 4.4.2).
 */
export async function openUpgrade<Data extends object = SessionData>(
  psession: Psession<Data>,
  request: IncomingMessage,
  options: NodeOptions & OriginOptions = {},
): Promise<Upgrade<Data>> {
  const trustProxy = options.trustProxy ?? false;
  const header = (name: string) => request.headers[name];
  const origin = visibleOrigin(request, trustProxy);
  // Without a method: a handshake is a GET, but no safe one.
  if (!isSameOrigin({ method: undefined, header, origin }, options)) {
    throw new PsessionError("cross_site", "This connection was asked for by another site.", { status: 403 });
  }
  const exchange = psession.exchange(nodeFacts(request, trustProxy, { canSetCookies: false }));
  const session = await whileOpen(request, async () => {
    const opened = await exchange.open();
    // A visit as any other: the session was used.
    await exchange.commit({ canSetCookies: false });
    return opened;
  });
  const isAlive = () => exchange.isAlive();
  return { session, isAlive, onEnd: (listener) => listenForEnd(psession, session, isAlive, listener) };
}

/** Answers an upgrade with a refusal: a status, or that of an error (500 where it has none). */
export function refuseUpgrade(socket: Duplex, reason: unknown): void {
  const status = reason instanceof PsessionError ? reason.status : typeof reason === "number" ? reason : 500;
  socket.once("error", () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
  );
}

/** Nobody listens for errors of the socket yet: a client that hangs up now would end the process. */
async function whileOpen<T>({ socket }: IncomingMessage, work: () => Promise<T>): Promise<T> {
  const ignore = () => {};
  socket.on("error", ignore);
  try {
    return await work();
  } finally {
    socket.off("error", ignore);
  }
}

const ENDINGS: ReadonlySet<EventName> = new Set(["logout", "revoked", "theft", "login"]);

/** An event only says when to look; whether the session ended is what its row says. */
function listenForEnd<Data extends object>(
  psession: Psession<Data>,
  { id, handle, userId }: Session<Data>,
  isAlive: () => Promise<boolean>,
  listener: () => void,
): () => void {
  let isListening = true;
  const isOurs = (event: PsessionEvent) =>
    ("sessionId" in event && event.sessionId === id) ||
    ("handle" in event && event.handle === handle) ||
    (userId !== undefined && "userId" in event && event.userId === userId);
  const forget = psession.on("*", async (event) => {
    if (!ENDINGS.has(event.type) || !isOurs(event)) return;
    // Who cannot ask does not go on as if nothing had happened.
    const goesOn = await isAlive().catch(() => false);
    if (goesOn || !isListening) return;
    stop();
    listener();
  });
  const stop = () => {
    isListening = false;
    forget();
  };
  return stop;
}
