import { createServer } from "node:http";
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { createPsession, memoryStore, type Session } from "psession";
import { openSession, requireLogin, withSession } from "psession/node";

interface Data {
  cart: string[];
}
const options = { store: memoryStore(), keys: ["k9Vv3Qm7sXw2Lr8TzYb4Nc6Jd1Hf5Gp0"] };
const psession = createPsession<Data>(options);
const isMember = requireLogin();

/** Without a word, for http and https. */
createServer(
  withSession(psession, (request, response, session) => {
    const cart: string[] | undefined = session.data.cart;
    const complete: boolean = request.complete;
    response.statusMessage = "fine";
    response.end(JSON.stringify([cart, complete]));
  }),
);
createHttpsServer(
  {},
  withSession(psession, (request, response, session) => {
    if (isMember(request, response, session)) response.end(session.id);
  }),
);
/** HTTP/2 has types of its own. */
createSecureServer(
  {},
  withSession(psession, (request: Http2ServerRequest, response: Http2ServerResponse, session) => {
    const path: string = request.authority;
    // @ts-expect-error: no such data
    session.data.basket;
    if (isMember(request, response, session)) response.stream.end(path);
  }),
);

const page = async (request: Http2ServerRequest, response: Http2ServerResponse): Promise<Session<Data>> =>
  openSession(psession, request, response);
createSecureServer(async (request, response) => {
  response.end((await page(request, response)).id);
});
