import type { FastifyReply, FastifyRequest } from "fastify";
import type { OriginOptions } from "../../http/origin.ts";
import type { Answer } from "../../integration/answer.ts";
import { answerTo, exclusiveTurn, guardsBy, originGuard } from "../../integration/guards.ts";
import { noSession } from "../../integration/no-session.ts";
import { asked } from "../../integration/node/facts.ts";
import type { LockOptions } from "../../upkeep/locks.ts";
import { originOf } from "./origin.ts";
import type { FastifySession } from "./session.ts";

/** A hook for `onRequest`, `preValidation` or `preHandler`. */
export type FastifyGuard = (
  request: FastifyRequest,
  reply: FastifyReply,
  done: (error?: Error) => void,
) => void;

const guards = guardsBy<FastifyGuard>((guard) =>
  behindSession(async (request, reply, session) => {
    // Passport may have signed a user in just now.
    await session.followIdentity();
    const refusal = guard({ session, path: request.originalUrl, ...asked(request, originOf(request)) });
    return refusal && send(reply, answerTo(refusal));
  }),
);

/** Lets signed-in users through, remembered ones included. Others: the redirect, or 401. */
export const requireLogin = guards.requireLogin;

/** Lets visitors of at least that level through. Others: the redirect, or 403 (401 where nobody is signed in). */
export const requireLevel = guards.requireLevel;

/**
 * Lets users through who proved a credential that recently; remembered visitors never did. Others: the
 * redirect, or 403 (401 where nobody is signed in).
 */
export const requireFresh = guards.requireFresh;

/**
 * Lets users through who have proved all of these methods since they signed in, or reach that assurance level; `within`:
 * that recently. Others: the redirect, or 403 (401 where nobody is signed in).
 */
export const requireProofs = guards.requireProofs;

/**
 * Lets users through whose browser has proved that recently that it holds the key of their session (option `deviceBound`). One
 * that holds it proves it on the way, by a redirect to the same address (307). Others: the redirect, or 403 (or 401).
 */
export const requireKeyProof = guards.requireKeyProof;

/** Lets visitors through whose sign-in has begun (`session.begin`), for the page of the second factor. Others: the redirect, or 401. */
export const requirePending = guards.requirePending;

/** Lets nobody through who acts as another user (`session.impersonate`). Others: the redirect, or 403. */
export const forbidImpersonation = guards.forbidImpersonation;

/**
 * Lets one request of a session through at a time: the others wait until its answer begins, and see what it saved.
 * Waiting too long is an error `lock_timeout` (503); a sign-out meanwhile, `session_ended` (401).
 */
export function exclusive(options: LockOptions = {}): FastifyGuard {
  const turn = exclusiveTurn(options);
  return behindSession((_request, _reply, session) => turn(session));
}

/** Refuses changes that another site sends in a visitor's name, with 403. A hook for `onRequest`, before all others. */
export function originCheck(options: OriginOptions = {}): FastifyGuard {
  const guard = originGuard(options);
  return (request, reply, done) => {
    const refusal = guard(asked(request, originOf(request)));
    if (refusal === undefined) done();
    else send(reply, answerTo(refusal));
  };
}

/** Opens the session first, so a guarded handler always finds it. */
function behindSession(
  work: (request: FastifyRequest, reply: FastifyReply, session: FastifySession) => Promise<unknown>,
): FastifyGuard {
  return (request, reply, done) => {
    if (typeof request.openSession !== "function") {
      done(missingSession());
      return;
    }
    // As a promise, because Fastify then catches errors of later hooks and handlers.
    return request.openSession().then((session) => work(request, reply, session));
  };
}

/** The plugin works in the context that registers it and its children. */
export const missingSession = () => noSession("await app.register(sessions, { psession })");

export const send = (reply: FastifyReply, { status, headers, body }: Answer): FastifyReply =>
  reply.code(status).headers(headers).send(body);
