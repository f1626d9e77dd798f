import type { Request } from "express";
import type { Level, Session } from "psession";
import { Refusal } from "./refusal.ts";
import type { User, Users } from "./users.ts";

/** What the frame of every page shows of the visitor. */
export interface Frame {
  readonly level: Level;
  readonly email: string | undefined;
  readonly notice: string | undefined;
  /** Who acts as this user, and why. */
  readonly actor: { readonly email: string; readonly reason: string } | undefined;
}

/** Undefined if the request was refused before it got a session. */
export function frameOf({ session }: { readonly session: Session }, users: Users): Frame | undefined {
  if ((session as Session | undefined) === undefined) return undefined;
  const { level, actor } = session;
  return {
    level,
    email: userOf({ session }, users)?.email,
    notice: takeNotice(session),
    actor: actor && { email: users.find(actor.userId)?.email ?? "somebody", reason: actor.reason },
  };
}

export function userOf({ session }: { readonly session: Session }, users: Users): User | undefined {
  return session.userId === undefined ? undefined : users.find(session.userId);
}

/** The user of a route behind `requireLogin`. An account may have gone while its session lived on. */
export function signedInUser(request: Request, users: Users): User {
  const user = userOf(request, users);
  if (user === undefined) throw new Refusal(401, "login_required", "Please sign in first.");
  return user;
}

/** The visitor as scripts see it. It only reads, so that the request stores no session. */
export function describeVisitor(request: Request, users: Users) {
  const { session } = request;
  return {
    userId: session.userId ?? null,
    email: userOf(request, users)?.email ?? null,
    level: session.level,
    isPersistent: session.isPersistent,
    authenticatedAt: session.authenticatedAt ?? null,
    proofs: session.proofs.map(({ method }) => method),
    handle: session.handle,
    actor: session.actor?.userId ?? null,
    cart: session.get("cart") ?? [],
  };
}

function takeNotice(session: Session): string | undefined {
  const notice = session.get("notice");
  if (notice !== undefined) session.remove("notice");
  return notice;
}
