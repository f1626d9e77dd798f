import { checkedOptions, invalidOptions } from "../checks/faults.ts";
import { Encryption } from "../data/encryption.ts";
import { type CookieDefinition, MAX_AGE_LIMIT_SECONDS, scopeOf } from "../http/cookies.ts";
import { bytesOfKey } from "../protocol/bytes.ts";
import { systemClock } from "../protocol/clock.ts";
import { KeyRing, realmCode } from "../protocol/secrets.ts";
import { protocolTimes } from "../protocol/times.ts";
import { encryptedStore } from "../stores/encrypted.ts";
import { realmStore } from "../stores/realm.ts";
import { tracedStore } from "../stores/traced.ts";
import { presetFaults, withPreset } from "./presets.ts";
import { NETWORK } from "./privacy.ts";
import { dangerouslyAllowInsecureHttp, type PsessionOptions } from "./public.ts";
import { optionDefaults, schema } from "./schema.ts";
import type { Prefixes, Settings } from "./settings.ts";

const DAY = 86_400_000;
/** Each reads the sessions of all open connections. */
const SHORTEST_POLL = 1000;
const LONGEST_POLL = 3_600_000;
/** With less, browsers run out of the proofs that they are allowed, and go on without. */
const SHORTEST_PROOF = 300_000;
/** Node's timers go no further. */
const LONGEST_TIMER = 24 * DAY;

/** Checks options and completes them. Throws `invalid_options` with everything that is wrong. */
export function resolveOptions(options: PsessionOptions): Settings {
  const given = checkedOptions("psession", schema, withPreset(options), () => [
    ...new Set([...Object.keys(schema.entries), ...optionDefaults().keys()]),
  ]);
  const { [dangerouslyAllowInsecureHttp]: insecure = false } = options;
  const faults: string[] = [];
  const require = (holds: boolean, fault: string) => {
    if (!holds) faults.push(fault);
  };

  const { session, remember, cookies, prune } = given;
  faults.push(...presetFaults(given.preset, { session, remember }));
  const rotateEvery = session.rotateEvery === false ? undefined : session.rotateEvery;
  require(session.idle <= session.absolute, "session.idle must not be longer than session.absolute");
  require(session.touchEvery * 2 <= session.idle, "session.touchEvery must be at most half of session.idle");
  require(rotateEvery === undefined ||
    rotateEvery >= protocolTimes.settle, `session.rotateEvery must be at least ${protocolTimes.settle} ms`);
  require(remember.idle <= remember.absolute, "remember.idle must not be longer than remember.absolute");
  require(remember.absolute <=
    MAX_AGE_LIMIT_SECONDS *
      1000, "remember.absolute must be at most 400 days, as browsers keep no cookie longer");
  require(remember.tombstone >=
    10 * protocolTimes.settle, `remember.tombstone must be at least ${10 * protocolTimes.settle} ms`);
  require(remember.tombstone <= 366 * DAY, "remember.tombstone must be at most a year");
  require(prune === false || prune.every <= LONGEST_TIMER, "prune.every must be at most 24 days");
  require(given.onEnd.poll >= SHORTEST_POLL &&
    given.onEnd.poll <= LONGEST_POLL, "onEnd.poll must be one second to an hour");
  const { deviceBound } = given;
  if (deviceBound !== undefined) {
    const isBelow = `${deviceBound.path}/`.startsWith(cookies.path.replace(/\/*$/, "/"));
    require(!insecure, "deviceBound needs https: browsers bind nothing over plain http");
    require(cookies.domain ===
      undefined, "deviceBound needs cookies without cookies.domain: a browser binds the cookies of one host");
    require(!cookies.partitioned, "deviceBound and cookies.partitioned exclude each other: browsers bind no cookie of a page inside another site's");
    require(isBelow, "deviceBound.path must lie below cookies.path, or the cookies do not come there");
    require(deviceBound.lifetime >= SHORTEST_PROOF &&
      deviceBound.lifetime <= DAY, "deviceBound.lifetime must be 5 minutes to a day");
  }
  require(typeof insecure === "boolean", "dangerouslyAllowInsecureHttp must be true or false");
  require(!insecure ||
    process.env["NODE_ENV"] !== "production", "dangerouslyAllowInsecureHttp is refused in production");
  require(!(insecure && cookies.sameSite === "none"), 'cookies.sameSite "none" needs https');
  require(!cookies.partitioned ||
    cookies.sameSite === "none", 'cookies.partitioned needs cookies.sameSite "none"');
  require(cookies.sameSite !== "none" ||
    cookies.partitioned, 'cookies.sameSite "none" needs cookies.partitioned, or any site may use the session');

  const prefix = insecure
    ? ""
    : cookies.domain === undefined && cookies.path === "/"
      ? "__Host-"
      : "__Secure-";
  const define = (name: string): CookieDefinition => ({
    name,
    path: cookies.path,
    domain: cookies.domain,
    secure: !insecure,
    sameSite: cookies.sameSite,
    partitioned: cookies.partitioned,
  });
  const definitions = {
    session: define(cookies.session ?? `${prefix}psession`),
    remember: define(cookies.remember ?? `${prefix}psession-remember`),
    device: define(cookies.device ?? `${prefix}psession-device`),
    acting: define(cookies.acting ?? `${prefix}psession-acting`),
    trust: define(cookies.trust ?? `${prefix}psession-trust`),
    bound: define(cookies.bound ?? `${prefix}psession-bound`),
  };
  const taken = new Map<string, string>();
  for (const [option, { name, path, domain, secure }] of Object.entries(definitions)) {
    require(!taken.has(name), `cookies.${taken.get(name)} and cookies.${option} must differ`);
    taken.set(name, option);
    const lower = name.toLowerCase();
    const isHost = lower.startsWith("__host-");
    require(!isHost ||
      (secure &&
        path === "/" &&
        domain === undefined), `cookies.${option}: a __Host- cookie needs https, path "/" and no domain`);
    require(!lower.startsWith("__secure-") || secure, `cookies.${option}: a __Secure- cookie needs https`);
    require(isHost === name.startsWith("__Host-"), `cookies.${option}: write the prefix as __Host-`);
  }
  const sink = given.audit.sink ?? given.store.audit;
  require(options.audit === undefined ||
    sink !== undefined, "audit.sink is needed, as the store keeps no audit trail (its option audit)");
  const { addresses, keepAddresses: keep } = given.privacy;
  const keepAddresses = keep === false ? undefined : keep;
  const match = prefixesOf(session.matchAddress);
  require(match === undefined ||
    addresses !== "none", 'session.matchAddress needs addresses: privacy.addresses must not be "none"');
  require(match === undefined ||
    addresses !== "network" ||
    (match.v4 <= NETWORK.v4 &&
      match.v6 <=
        NETWORK.v6), `session.matchAddress must be at most { v4: ${NETWORK.v4}, v6: ${NETWORK.v6} }, as privacy.addresses keeps no more`);
  require(match === undefined ||
    keepAddresses === undefined ||
    keepAddresses >=
      session.idle, "privacy.keepAddresses must not be shorter than session.idle, or session.matchAddress has nothing to compare with");
  require(keepAddresses === undefined ||
    given.store.forgetAddresses !==
      undefined, "privacy.keepAddresses needs a store that can forget addresses (forgetAddresses)");
  require(keepAddresses === undefined ||
    sink === undefined ||
    sink.forgetAddresses !==
      undefined, "privacy.keepAddresses needs an audit.sink that can forget addresses (forgetAddresses)");
  const isShared = given.encryption?.keys.some((secret) =>
    given.keys.some((other) => sameKey(secret, other)),
  );
  require(isShared !==
    true, "encryption.keys and keys must have nothing in common: a leak of one must not expose the other");
  if (faults.length > 0) throw invalidOptions("psession", faults);
  const encryption =
    given.encryption && new Encryption(given.encryption.keys, given.encryption.acceptPlainText);
  const traced = tracedStore(given.store);
  const store = encryption === undefined ? traced : encryptedStore(traced, encryption);
  const realm = realmCode(given.realm ?? "");
  const { max } = given.devices;
  const isGiven = options.devices?.max !== undefined;

  return {
    store: realmStore(store, realm),
    encryption,
    realm,
    keys: new KeyRing(given.keys as [string | Uint8Array], {
      session: scopeOf(definitions.session, given.realm),
      remember: scopeOf(definitions.remember, given.realm),
      device: scopeOf(definitions.device, given.realm),
      trust: scopeOf(definitions.trust, given.realm),
      acting: scopeOf(definitions.acting, given.realm),
      bound: scopeOf(definitions.bound, given.realm),
    }),
    // Stores keep whole milliseconds.
    clock: given.clock === systemClock ? systemClock : { now: () => Math.trunc(given.clock.now()) },
    isSystemClock: given.clock === systemClock,
    times: protocolTimes,
    codec: session.codec,
    session: { ...session, rotateEvery, matchAddress: match, livesVary: false },
    remember,
    cookies: { ...definitions, noStore: cookies.noStore },
    devices: {
      ...given.devices,
      max: isGiven && max !== false ? max : undefined,
      safety: isGiven || typeof max !== "number" ? undefined : max,
      place: given.devices.place,
    },
    audit: sink && { ...given.audit, sink },
    onEnd: given.onEnd,
    deviceBound,
    privacy: { addresses, keepAddresses },
    proxy: { requestStart: given.proxy.requestStart },
    whenUnavailable: given.whenUnavailable,
    caching: given.caching,
    prune: prune === false ? undefined : prune,
  };
}

function prefixesOf(match: false | "exact" | Prefixes): Prefixes | undefined {
  if (match === false) return undefined;
  return match === "exact" ? { v4: 32, v6: 128 } : match;
}

const sameKey = (a: string | Uint8Array, b: string | Uint8Array): boolean =>
  Buffer.compare(bytesOfKey(a), bytesOfKey(b)) === 0;
