import type { Request } from "express";
import type { Session, SessionData } from "psession";
import { sessionOf } from "psession/express";

declare module "psession" {
  interface SessionData {
    locale: "de" | "en";
    visits: number;
  }
}

declare const session: Session;
declare const request: Request;

const locale: "de" | "en" | undefined = session.data.locale;
const visits: number | undefined = request.session.data.visits;
const got: number | undefined = request.session.get("visits");
session.set("locale", "de");
// @ts-expect-error: no such locale
session.set({ locale: "fr" });
// @ts-expect-error: a number is asked for
session.data.visits = "many";
const updated: Promise<number> = session.update((data: Partial<SessionData>) => (data.visits ?? 0) + 1);

/** Or by type parameter. */
declare const own: Session<{ cart: string[] }>;
const cart: string[] | undefined = own.data.cart;
// @ts-expect-error: not in this type
own.data.locale;

/** In Express, where merging is not wanted. */
const points: number | undefined = sessionOf<{ points: number }>(request).data.points;
// @ts-expect-error: no such key
sessionOf<{ points: number }>(request).set({ visits: 1 });

export { cart, got, locale, points, updated, visits };
