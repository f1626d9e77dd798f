import type { Duration } from "../checks/duration.ts";
import type { Codec } from "../data/codec.ts";
import type { Encryption } from "../data/encryption.ts";
import type { CookieDefinition } from "../http/cookies.ts";
import type { Clock } from "../protocol/clock.ts";
import type { KeyRing } from "../protocol/secrets.ts";
import type { ProtocolTimes } from "../protocol/times.ts";
import type { Store } from "../stores/store.ts";
import type { AddressDetail } from "./privacy.ts";
import type { DeviceLimit, PassiveRule, PlaceLookup, PsessionOptions } from "./public.ts";

/** How many leading bits of two addresses have to agree. */
export interface Prefixes {
  readonly v4: number;
  readonly v6: number;
}

/** A group of options with every default filled in, and durations in milliseconds. */
type Checked<
  Name extends keyof PsessionOptions,
  Group = Exclude<PsessionOptions[Name], false | undefined>,
> = {
  readonly [K in keyof Group]-?: Duration extends Group[K] ? number : Exclude<Group[K], undefined>;
};

/** Checked options with every default filled in. */
export interface Settings {
  readonly store: Store;
  /** Replaced where secrets are rotated without a restart. */
  keys: KeyRing;
  /** What the ids of this instance's rows end with. */
  readonly realm: string;
  readonly encryption: Encryption | undefined;
  readonly clock: Clock;
  /** False where the application has a clock of its own, which need not agree with any other. */
  readonly isSystemClock: boolean;
  readonly times: ProtocolTimes;
  readonly codec: Codec;
  readonly session: Omit<Checked<"session">, "codec" | "rotateEvery" | "matchAddress" | "isPassive"> & {
    readonly isPassive?: PassiveRule | undefined;
    readonly rotateEvery: number | undefined;
    readonly matchAddress: Prefixes | undefined;
    /** Sessions have lives of their own, which `idle` does not limit; see `SessionLife`. */
    livesVary: boolean;
  };
  readonly remember: Checked<"remember">;
  readonly cookies: {
    readonly session: CookieDefinition;
    readonly remember: CookieDefinition;
    readonly device: CookieDefinition;
    readonly trust: CookieDefinition;
    readonly acting: CookieDefinition;
    readonly bound: CookieDefinition;
    readonly noStore: boolean;
  };
  readonly devices: Omit<Checked<"devices">, "max" | "place"> & {
    readonly max: number | DeviceLimit | undefined;
    /** Where no limit was given: the default, checked at some sign-ins only. */
    readonly safety: number | undefined;
    readonly place: PlaceLookup | undefined;
  };
  readonly audit: Checked<"audit"> | undefined;
  readonly onEnd: Checked<"onEnd">;
  readonly deviceBound: Checked<"deviceBound"> | undefined;
  readonly privacy: {
    readonly addresses: AddressDetail;
    /** In milliseconds; undefined for as long as what they are in. */
    readonly keepAddresses: number | undefined;
  };
  readonly proxy: {
    /** In lower case. */
    readonly requestStart: string | undefined;
  };
  readonly whenUnavailable: NonNullable<PsessionOptions["whenUnavailable"]>;
  readonly caching: NonNullable<PsessionOptions["caching"]>;
  readonly prune: Checked<"prune"> | undefined;
}
