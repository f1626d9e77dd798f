import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { SessionData } from "../../data/typing.ts";
import { PsessionError } from "../../errors.ts";
import { isSameOrigin, type OriginOptions } from "../../http/origin.ts";
import type { Psession } from "../../psession.ts";
import type { Session } from "../../session.ts";
import { answerToError, NOT_KEPT } from "../answer.ts";
import { arrivedAt } from "./arrivals.ts";
import { headerOf, type NodeOptions, nodeFacts, visibleOrigin } from "./facts.ts";

/** The visitor of a connection that outlives its request. */
export interface Upgrade<Data extends object = SessionData> {
  /**
   * The session as it was when the connection was made. Only `save` and `update` store changes; a sign-in, a first
   * session and another level need a cookie, and are not possible here.
   */
  readonly session: Session<Data>;
  /** As the session's own. */
  isAlive(): Promise<boolean>;
  /** As the session's own: calls `listener` once when this process ends the session. */
  onEnd(listener: () => void): () => void;
}

/**
 * The visitor of a WebSocket's upgrade. Throws `cross_site` (status 403) if a page of another origin asks:
 * browsers send cookies along with its handshake, and let it read the answers (ASVS 4.4.2).
 */
export async function openUpgrade<Data extends object = SessionData>(
  psession: Psession<Data>,
  request: IncomingMessage,
  options: NodeOptions & OriginOptions = {},
): Promise<Upgrade<Data>> {
  const trustProxy = options.trustProxy ?? false;
  const header = headerOf(request);
  const origin = visibleOrigin(request, trustProxy);
  // Without a method: a handshake is a GET, but no safe one.
  if (!isSameOrigin({ method: undefined, header, origin }, options)) {
    throw new PsessionError("cross_site", "This connection was asked for by another site.", { status: 403 });
  }
  const known = { canSetCookies: false, arrivedAt: arrivedAt(psession, request) };
  const exchange = psession.exchange(nodeFacts(request, trustProxy, known));
  const session = await whileOpen(request, async () => {
    const opened = await exchange.open();
    // The upgrade counts as a use of the session, as any request does.
    await exchange.commit({ canSetCookies: false });
    return opened;
  });
  return { session, isAlive: () => session.isAlive(), onEnd: (listener) => session.onEnd(listener) };
}

/** Answers an upgrade with a refusal: a status, or that of an error (500 if it has none). */
export function refuseUpgrade(socket: Duplex, reason: unknown): void {
  const { status, headers } =
    typeof reason === "number" ? { status: reason, headers: NOT_KEPT } : answerToError(reason);
  const head = Object.entries({ Connection: "close", "Content-Length": "0", ...headers });
  const lines = head.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const { STATUS_CODES } = process.getBuiltinModule("node:http");
  socket.once("error", () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${lines}\r\n`);
}

/** The socket has no error listener yet: a client that hangs up now would end the process. */
async function whileOpen<T>({ socket }: IncomingMessage, work: () => Promise<T>): Promise<T> {
  const ignore = () => {};
  socket.on("error", ignore);
  try {
    return await work();
  } finally {
    socket.off("error", ignore);
  }
}
