import type { ServerResponse } from "node:http";
import type { Backend } from "../backend.ts";
import type { SessionRequest } from "../request.ts";
import { presentedIn } from "../signature.ts";
import { OwnStoreContext } from "./context.ts";
import { OwnStoreSession } from "./session.ts";

/** Keeps sessions in the application's own store. */
export class OwnStoreBackend extends OwnStoreContext implements Backend {
  open(
    request: SessionRequest,
    response: ServerResponse | undefined,
  ): OwnStoreSession | Promise<OwnStoreSession> {
    const presented = presentedIn(request, this.settings.name, this.secretsFor(request));
    const open = new OwnStoreSession(this, request, response, presented);
    if (presented !== undefined) return open.load(presented.id);
    open.generate();
    return open;
  }
}
