import type { ServerResponse } from "node:http";
import { answersKeys } from "../../../integration/node/keys.ts";
import type { Backend } from "../backend.ts";
import type { SessionRequest } from "../request.ts";
import { PsessionContext } from "./context.ts";
import { PsessionStoreSession } from "./session.ts";

/** Keeps sessions in a psession store: hashed, merged, and with psession's sign-in beside the data. */
export class PsessionStoreBackend extends PsessionContext implements Backend {
  readonly #answers = answersKeys(this.psession);

  readonly answers: Backend["answers"] = (request, response, open) => {
    const { core } = open as PsessionStoreSession;
    return this.#answers(request, response, {
      session: async () => core,
      origin: () => this.originOf(request),
    });
  };

  async open(request: SessionRequest, response: ServerResponse | undefined): Promise<PsessionStoreSession> {
    const facts = this.factsOf(request, response);
    const formerId = this.formerId(request);
    const successor = formerId === undefined ? undefined : this.successorOf(formerId);
    const open = async () => {
      const exchange = this.psession.exchange({ ...facts, successor });
      return { exchange, core: await exchange.open() };
    };
    let opened = await open();
    let former: Record<string, unknown> | undefined;
    if (formerId !== undefined && opened.core.isNew && opened.core.outcome === "none") {
      former = await this.former?.find(formerId);
      // A parallel request may have taken it over just now.
      if (former === undefined) opened = await open();
    }
    // express-session begins anew if a cookie leads to no session, and its applications' login pages rely on that. A
    // navigation is hardly a request that the browser has delayed; nor does a browser that could not prove its key for a
    // moment, and says so, have none.
    const hasNoKey =
      opened.core.outcome === "unproved" && request.headers["secure-session-skipped"] === undefined;
    if ((opened.core.isOutdated || hasNoKey) && facts.navigation) opened.core.startAnew();
    const isTaken = former !== undefined || !opened.core.isNew;
    const takeover =
      formerId === undefined || successor === undefined || !isTaken
        ? undefined
        : { id: formerId, successorId: successor.id, data: former };
    return new PsessionStoreSession(
      this,
      request,
      opened.exchange,
      opened.core,
      takeover,
      facts.canSetCookies,
    );
  }
}
