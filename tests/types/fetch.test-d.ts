import type { Psession } from "psession";
import { jarSession, requestSessions, requireLogin, withSession } from "psession/fetch";
import { data, type LoaderFunctionArgs, redirect } from "react-router";

declare const psession: Psession;
declare const own: Psession<{ cart: string[] }>;
interface Server {
  requestIP(request: Request): { address: string } | null;
}

/** What Deno.serve and the like take. */
const handler: (request: Request) => Promise<Response> = withSession(own, async (request, getSession) => {
  const session = await getSession();
  const cart: string[] | undefined = session.data.cart;
  // @ts-expect-error: not in this type
  session.data.locale;
  // @ts-expect-error: it has to be called
  getSession.data;
  return requireLogin()(request, session) ?? Response.json(cart);
});

/** With what the server hands over. */
const withServer: (request: Request, server: Server) => Promise<Response> = withSession(
  psession,
  async (_request, getSession, server: Server) => Response.json([(await getSession()).data.locale, server]),
  { address: (request, server) => server.requestIP(request)?.address },
);

/** And undefined only where the handler may give it. */
const upgrading = withSession(psession, async () => (Math.random() > 2 ? undefined : new Response()));
// @ts-expect-error: there may be no response
const surely: (request: Request) => Promise<Response> = upgrading;

// @ts-expect-error: a handler answers
withSession(psession, async () => "text");
// @ts-expect-error: no such option
withSession(psession, () => new Response(), { adress: () => "127.0.0.1" });

const { getSession, commitSession, destroySession } = requestSessions(own);

export async function loader({ request }: LoaderFunctionArgs) {
  const session = await getSession(request);
  // @ts-expect-error: a header says neither https nor the address; the request does
  await getSession(request.headers.get("Cookie"));
  // @ts-expect-error: there may be two lines, which one header cannot hold
  redirect("/", { headers: { "Set-Cookie": await commitSession(session) } });
  // @ts-expect-error: the same
  redirect("/", { headers: { "Set-Cookie": await destroySession(session) } });
  if (!session.isSignedIn) throw redirect("/", { headers: await commitSession(session) });
  return data(session.data.cart, { headers: await commitSession(session, { "Cache-Control": "private" }) });
}

// @ts-expect-error: whether the browser spoke https must be said
jarSession(psession, { headers: new Headers() }, {});
const { commit } = jarSession(psession, { headers: new Headers() }, { secure: true });

export { commit, handler, surely, withServer };
