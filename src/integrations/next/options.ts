import * as v from "valibot";
import { checkedOptions } from "../../checks/faults.ts";
import { allowedOrigins, type OriginOptions } from "../../http/origin.ts";
import type { ProxyOptions } from "../../integration/forwarded.ts";

/** How requests are read, and how guards refuse. */
export interface NextOptions extends ProxyOptions {
  /**
   * The visitor's address, for the device list and events, from a header that your platform sets itself. A trusted
   * proxy's `X-Forwarded-For` comes first. Default: unknown, as Next does not say where a connection comes from.
   */
  address?: ((headers: Headers) => string | undefined) | undefined;
  /**
   * Next's own `unauthorized`, for guards without `redirectTo` where nobody is signed in. It works in modules that Next
   * compiles, so the application has to hand it over. Default: an error with status 401, which Next shows as 500.
   */
  unauthorized?: (() => never) | undefined;
  /** As `unauthorized`, for users who may not see the page. */
  forbidden?: (() => never) | undefined;
}

/** Options of `route`. */
export interface RouteOptions {
  /**
   * Refuse changes that another site sends in the visitor's name (ASVS 3.5.1): Next checks that for actions only.
   * `false` for webhooks and for forms that another site posts. Default: they are refused.
   */
  origin?: false | OriginOptions | undefined;
}

const aFunction = v.optional(v.custom<never>((value) => typeof value === "function", "must be a function"));

const nextOptions = v.strictObject({
  trustProxy: v.optional(v.boolean("must be true or false")),
  address: aFunction,
  unauthorized: aFunction,
  forbidden: aFunction,
});

const routeOptions = v.strictObject({
  origin: v.optional(
    v.union([v.literal(false), v.strictObject({ allowed: allowedOrigins })], "must be false or { allowed }"),
  ),
});

export const checkedNextOptions = (options: NextOptions): NextOptions =>
  checkedOptions("sessions", nextOptions, options);

export const checkedRouteOptions = (options: RouteOptions): RouteOptions =>
  checkedOptions("route", routeOptions, options) as RouteOptions;
