import { isIP } from "node:net";
import { readKnownDevice } from "../http/known-device.ts";
import type { Settings } from "../options/settings.ts";
import { isPublic, unmapped } from "../request/addresses.ts";
import type { RequestFacts } from "../request/facts.ts";
import type { UserId } from "../stores/store.ts";
import type { Limits, Subject, SubjectKind } from "./counters.ts";
import { folded } from "./folded.ts";

/** Makes subjects whose names only the application's first key makes. */
export class Subjects {
  readonly #settings: Settings;
  readonly #limits: Readonly<Record<SubjectKind, Limits>>;

  constructor(settings: Settings, limits: Readonly<Record<SubjectKind, Limits>>) {
    this.#settings = settings;
    this.#limits = limits;
  }

  account(account: string, userId: UserId | undefined): Subject {
    const name = folded(account);
    return {
      ...this.#subject("account", name),
      own: this.#named("own", name, typeof userId, String(userId)),
    };
  }

  code(userId: UserId): Subject {
    return this.#subject("code", typeof userId, String(userId));
  }

  /** Undefined where the visitor's address is not known. */
  address(facts: Pick<RequestFacts, "address" | "forwarded">): Subject | undefined {
    const network = networkOf(facts);
    return network === undefined ? undefined : this.#subject("address", network);
  }

  /** A browser on which this user has signed in before; undefined where it is none. */
  knownBrowser(facts: Pick<RequestFacts, "cookie">, userId: UserId | undefined): Subject | undefined {
    const { cookies, keys } = this.#settings;
    // Nobody's id, rather than none: it takes as long where no such account exists.
    const asked = userId ?? "";
    const { device, isKnown } = readKnownDevice(facts.cookie, cookies.device.name, asked, keys);
    if (!isKnown || device === undefined || userId === undefined) return undefined;
    return this.#subject("browser", device.nonce, typeof userId, String(userId));
  }

  #subject(kind: SubjectKind, ...parts: readonly string[]): Subject {
    return { kind, name: this.#named(kind, ...parts), limits: this.#limits[kind] };
  }

  #named(...parts: readonly string[]): string {
    const { keys, realm } = this.#settings;
    return keys.counterName(JSON.stringify([realm, ...parts]));
  }
}

/**
 * The network that one visitor can choose addresses from: all of IPv6's last 64 bits. Undefined where the address is not
 * known, or is that of a proxy that is not trusted: everybody would be counted as one.
 */
function networkOf({ address, forwarded }: Pick<RequestFacts, "address" | "forwarded">): string | undefined {
  if (address === undefined || (forwarded && !isPublic(address))) return undefined;
  const [plain = ""] = unmapped(address).split("%");
  if (isIP(plain) !== 6) return plain;
  const [head = "", tail] = plain.split("::");
  const groups = head === "" ? [] : head.split(":");
  const zeros = tail === undefined ? [] : Array(8 - groups.length - tail.split(":").length).fill("0");
  const all = [...groups, ...zeros, ...(tail ? tail.split(":") : [])];
  return all.slice(0, 4).join(":");
}
