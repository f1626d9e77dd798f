import type { Session } from "../../../src/index.ts";
import {
  devices,
  devicesPage,
  exclusive,
  originCheck,
  requireFresh,
  requireKeyProof,
  requireLevel,
  requireLogin,
  requirePending,
  requireProofs,
} from "../../../src/integrations/express/index.ts";
import session, { type SignIn } from "../../../src/integrations/express-session/index.ts";
import type { ContractData, HttpIntegration } from "../../../src/testing/contracts.ts";
import { type Load, servesSite, waiting } from "./express.ts";
import { guardsByPath, mountedGuard, PAGE_OPTIONS } from "./guards.ts";
import { served } from "./serve.ts";

type DropIn = Record<string, unknown> & {
  saveAsync(): Promise<unknown>;
  regenerateAsync(): Promise<unknown>;
} & Omit<SignIn, "update"> & { update(change: (data: Partial<ContractData>) => unknown): Promise<unknown> };

/** The drop-in over a psession, as applications of express-session use it: data are properties of `req.session`. */
export const dropInFace = (load: Load): HttpIntegration => ({
  isLazy: false,
  seesHeads: true,
  async serve({ psession, site, trustProxy, before }) {
    const [make, { json }] = await Promise.all([load(), import("express")]);
    const app = make();
    app.set("trust proxy", trustProxy);
    app.set("env", "test");
    app.use(originCheck());
    if (before !== undefined) app.use(waiting(before));
    app.use(
      session({
        store: psession as never,
        secret: "of old cookies",
        resave: false,
        saveUninitialized: false,
      }),
    );
    app.use(json());
    for (const [path, guards] of Object.entries(
      guardsByPath({
        exclusive,
        requireFresh,
        requireKeyProof,
        requireLevel,
        requireLogin,
        requirePending,
        requireProofs,
      }),
    ))
      app.use(path, ...guards);
    app.use("/devices", devices());
    app.use("/devices-page", devicesPage(PAGE_OPTIONS));
    app.use("/mounted", mountedGuard({ requireLogin }));
    app.use(servesSite(site, (request) => wordsOf(() => request.session as unknown as DropIn)));
    return served(app);
  },
});

const METHODS = [
  "login",
  "begin",
  "complete",
  "prove",
  "trust",
  "distrust",
  "isTrusted",
  "logout",
  "isAlive",
  "onEnd",
] as const;

/** Methods that are called as psession's own. */
const said = (current: () => DropIn, names: typeof METHODS) =>
  Object.fromEntries(
    names.map((name) => [name, (...values: unknown[]) => Reflect.apply(current()[name], current(), values)]),
  );

/** What the contract does with a session, said as express-session says it. */
function wordsOf(current: () => DropIn): Session<ContractData> {
  const data = () => {
    const { cookie, ...rest } = current();
    return rest;
  };
  const words = {
    get data() {
      return data();
    },
    get userId() {
      return current().userId;
    },
    get level() {
      return current().level;
    },
    get outcome() {
      return current().outcome;
    },
    get isSignedIn() {
      return current().isSignedIn;
    },
    get pending() {
      return current().pending;
    },
    get proofs() {
      return current().proofs;
    },
    get claims() {
      return current().claims;
    },
    set: (key: string, value: unknown) => {
      current()[key] = value;
    },
    push: (key: string, item: unknown) => {
      current()[key] = [...((current()[key] as unknown[] | undefined) ?? []), item];
    },
    update: (change: (data: Partial<ContractData>) => unknown) => current().update(change),
    ...said(current, METHODS),
    save: () => current().saveAsync(),
    // There it begins with nothing, and applications copy what they keep.
    regenerate: async () => {
      const kept = data();
      await current().regenerateAsync();
      Object.assign(current(), kept);
    },
  };
  return words as unknown as Session<ContractData>;
}
