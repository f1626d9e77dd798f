import type { Psession } from "../../psession.ts";
import type { Session } from "../../session.ts";

/** The data that sessions of the contract hold. */
export interface ContractData {
  items: string[];
  count: number;
  [key: string]: unknown;
}

/** A request, as `Site` sees it: the framework's own, in the few words that the contract needs. */
export interface SiteRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** The session that the integration gives its handlers. Where an integration opens lazily, this is what makes it open. */
  session(): Session<ContractData> | Promise<Session<ContractData>>;
  /** The JSON body, by the usual parser of the framework, behind the sessions. */
  body(): Promise<unknown>;
}

/** To be answered as a handler of the framework would; a thrown error is left to the framework. */
export interface SiteAnswer {
  /** Default: 200. */
  readonly status?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Cookies that the application itself sets, each a Set-Cookie line, before psession's. */
  readonly setCookie?: readonly string[] | undefined;
  /** Text, or pieces to be streamed as they come. None where it is missing. */
  readonly body?: string | AsyncIterable<string> | undefined;
}

/** All routes and methods that no guard stands before. */
export type Site = (request: SiteRequest) => Promise<SiteAnswer>;

/** What the contract gives an integration to serve. */
export interface IntegrationSetup {
  readonly psession: Psession<ContractData>;
  readonly site: Site;
  /** Believe X-Forwarded-Proto and X-Forwarded-For, by the framework's own means. */
  readonly trustProxy: boolean;
  /** Where it is given: to be awaited between the origin check and the sessions, as slow middleware. */
  readonly before: ((request: Pick<SiteRequest, "path">) => Promise<void>) | undefined;
}

/** An integration that takes requests, until it is closed. */
export interface ServedIntegration {
  /** Such as http://127.0.0.1:3000, without a path. */
  readonly url: string;
  /** Stops gracefully: takes no more connections, and answers what is in flight. */
  close(): Promise<void>;
}

/**
 * Something that gives a framework its sessions, set up as its documentation says, with plain http allowed.
 * `serve` mounts, from the outside in: the origin check before everything; `before`, where it is given; the sessions; what
 * parses bodies, unless handlers do; the guards `requireLogin({ redirectTo: "/sign-in" })` before /members, the same with a function of the path, which gives
 * "/sign-in?next=" and that path by `encodeURIComponent`, before all that is below /mounted, put there by whatever the
 * framework has for parts of an application (a mount, a prefix, a router); `requireLevel("login")` before /proved,
 * `requireFresh({ within: "10m" })` before /fresh, `requireProofs(["password", "otp"], { redirectTo: "/prove" })` before
 * /two-factors, `requirePending({ redirectTo: "/sign-in" })` before /second-step, `exclusive()` before /turns,
 * `exclusive({ wait: 0 })` before /now and both `requireLogin()` and `exclusive()` before /members-turns; the endpoints
 * `devices()` at /devices; the page of devices at /devices-page, with `redirectTo: (path) => "/sign-in?next=" +
 * encodeURIComponent(path)` and `fresh: { within: "10m", redirectTo }` that does the same with "/confirm"; and `site` behind all of them, for every path and method.
 */
export interface HttpIntegration {
  serve(setup: IntegrationSetup): Promise<ServedIntegration>;
  /** A handler that does not ask for its session costs no read. */
  readonly isLazy: boolean;
  /** The server says when the head of a request arrived, as Node's does, and the integration knows its requests. */
  readonly seesHeads: boolean;
}
