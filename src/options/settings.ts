import type { Codec } from "../data/codec.ts";
import type { Vault } from "../data/vault.ts";
import type { EventName } from "../events.ts";
import type { CookieDefinition } from "../http/cookies.ts";
import type { Clock } from "../protocol/clock.ts";
import type { KeyRing } from "../protocol/secrets.ts";
import type { ProtocolTimes } from "../protocol/times.ts";
import type { AuditSink } from "../stores/audit.ts";
import type { Store } from "../stores/store.ts";
import type { PlaceLookup } from "./public.ts";

/** How much of two addresses has to agree, in bits. */
export interface Prefixes {
  readonly v4: number;
  readonly v6: number;
}

/** Checked options with every default filled in. */
export interface Settings {
  readonly store: Store;
  /** Exchanged where secrets are rotated without a new start. */
  keys: KeyRing;
  /** What the ids of this instance's rows end with. */
  readonly realm: string;
  /** What session data is encrypted with, unless it is not. */
  readonly vault: Vault | undefined;
  readonly clock: Clock;
  /** False where the application has a clock of its own, which need not agree with any other. */
  readonly isSystemClock: boolean;
  readonly times: ProtocolTimes;
  readonly codec: Codec;
  readonly session: {
    readonly idle: number;
    readonly absolute: number;
    readonly touchEvery: number;
    readonly rotateEvery: number | undefined;
    readonly maxBytes: number;
    readonly matchAddress: Prefixes | undefined;
    readonly bindUserAgent: "off" | "family" | "exact";
    readonly onMismatch: "refuse" | "report";
    /** Sessions have lives of their own, which `idle` does not limit; see `SessionLife`. */
    livesVary: boolean;
  };
  readonly remember: {
    readonly enabled: boolean;
    readonly idle: number;
    readonly absolute: number;
    readonly onTheft: "login" | "user";
    readonly tombstone: number;
  };
  readonly cookies: {
    readonly session: CookieDefinition;
    readonly remember: CookieDefinition;
    readonly device: CookieDefinition;
    readonly noStore: boolean;
  };
  readonly devices: {
    readonly max: number | undefined;
    /** Where no limit was given: the one that is looked at now and then. */
    readonly safety: number | undefined;
    readonly overflow: "evictOldest" | "refuse";
    readonly place: PlaceLookup | undefined;
    readonly detectNew: boolean;
  };
  readonly audit:
    | { readonly sink: AuditSink; readonly events: readonly EventName[]; readonly keep: number }
    | undefined;
  readonly proxy: {
    /** In lower case. */
    readonly requestStart: string | undefined;
  };
  readonly whenUnavailable: "refuse" | "anonymous";
  readonly caching: "protect" | "off";
  readonly prune: { readonly every: number; readonly chunk: number } | undefined;
}
