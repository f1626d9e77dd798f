import { AsyncLocalStorage } from "node:async_hooks";

const requests = new AsyncLocalStorage<object | undefined>();

/** Runs a handler, and all it awaits, as part of a request. Checking first whether it already is takes a twentieth. */
export const runInRequest = <R>(request: object, work: () => R): R =>
  requests.getStore() === request ? work() : requests.run(request, work);

/**
 * Goes on as part of a request: for handlers that no wrapper can run. Only in the turn that a server began for this
 * request, as it lasts until that ends.
 */
export function enterRequest(request: object): void {
  try {
    requests.enterWith(request);
  } catch {
    // Cloudflare's run time has no enterWith. There a handler is in a request only where something runs it.
  }
}

/** Before Node 24 a kept-alive connection carries over the context that its previous request entered. */
export function leaveRequest(): void {
  if (requests.getStore() !== undefined) requests.enterWith(undefined);
}

/** The object that identifies the request which runs this code: `request` of its facts. Undefined outside of one. */
export const currentRequest = (): object | undefined => requests.getStore();
