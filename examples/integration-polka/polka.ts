// Sessions for Polka, with psession/integration. docs/frameworks/your-own.md explains it.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Level, Psession, Session } from "psession";
import * as kit from "psession/integration";

type PolkaRequest = IncomingMessage & { originalUrl?: string; session?: Session };
type Next = (error?: unknown) => void;
type Middleware = (request: PolkaRequest, response: ServerResponse, next: Next) => void;

export const onError = (error: unknown, _request: unknown, response: ServerResponse): void =>
  kit.answerError(response, error);

export function sessions(psession: Psession, { trustProxy = false }: kit.NodeOptions = {}): Middleware {
  kit.assertPsession("sessions", psession);
  const answersKeys = kit.answersKeys(psession);
  return (request, response, next) => {
    const open = async () => {
      const session = await kit.openHeld(psession, request, response, { trustProxy });
      request.session = session;
      const origin = () => kit.visibleOrigin(request, trustProxy);
      const isAnswered = await answersKeys(request, response, { session: async () => session, origin });
      if (isAnswered !== true) kit.runInNodeRequest(request, next);
    };
    open().catch(next);
  };
}

export function sessionOf({ session }: PolkaRequest): Session {
  if (session === undefined) throw kit.noSession("put polka().use(sessions(psession))");
  return session;
}

const asked = (request: PolkaRequest, trustProxy = false) => ({
  method: request.method,
  header: (name: string) => request.headers[name],
  path: request.originalUrl ?? request.url ?? "/",
  origin: kit.visibleOrigin(request, trustProxy),
});

const standing =
  (guard: kit.Guard, trustProxy?: boolean): Middleware =>
  (request, response, next) => {
    const refusal = guard({ session: sessionOf(request), ...asked(request, trustProxy) });
    if (refusal === undefined) next();
    else kit.answerRefusal(response, refusal);
  };

export const requireLogin = ({ trustProxy, ...options }: kit.GuardOptions & kit.NodeOptions = {}) =>
  standing(kit.loginGuard(options), trustProxy);
export const requireLevel = (
  level: Level,
  { trustProxy, ...options }: kit.GuardOptions & kit.NodeOptions = {},
) => standing(kit.levelGuard(level, options), trustProxy);
export const requireFresh = ({ trustProxy, ...options }: kit.FreshOptions & kit.NodeOptions) =>
  standing(kit.freshGuard(options), trustProxy);

export const requireProofs = (
  required: kit.RequiredProofs,
  { trustProxy, ...options }: kit.ProofsOptions & kit.NodeOptions = {},
) => standing(kit.proofsGuard(required, options), trustProxy);
export const requireKeyProof = ({ trustProxy, ...options }: kit.KeyProofOptions & kit.NodeOptions) =>
  standing(kit.keyProofGuard(options), trustProxy);
export const requirePending = ({ trustProxy, ...options }: kit.GuardOptions & kit.NodeOptions = {}) =>
  standing(kit.pendingGuard(options), trustProxy);

export function exclusive(options?: Parameters<typeof kit.exclusiveTurn>[0]): Middleware {
  const turn = kit.exclusiveTurn(options);
  return (request, _response, next) => void turn(sessionOf(request)).then(() => next(), next);
}

export const originCheck =
  ({ trustProxy, ...options }: kit.OriginOptions & kit.NodeOptions = {}): Middleware =>
  (request, response, next) =>
    kit.isSameOrigin(asked(request, trustProxy), options)
      ? next()
      : kit.answerRefusal(response, kit.CROSS_SITE);

export function devices({
  trustProxy = false,
  ...options
}: kit.DevicesOptions & kit.NodeOptions = {}): Middleware {
  const answerFor = kit.answersDevices(options);
  return (request, response, next) => {
    const [session, origin, url] = [
      sessionOf(request),
      kit.visibleOrigin(request, trustProxy),
      request.url ?? "/",
    ];
    answerFor(request, response, { session, origin, url }).catch(next);
  };
}

export function devicesPage({
  trustProxy = false,
  ...options
}: kit.DevicesPageOptions & kit.NodeOptions = {}): Middleware {
  const answerFor = kit.answersDevicesPage(options);
  return (request, response, next) => {
    if (!kit.isMount(request.url)) return next();
    const [session, origin] = [sessionOf(request), kit.visibleOrigin(request, trustProxy)];
    answerFor(request, response, { session, origin }).catch(next);
  };
}
