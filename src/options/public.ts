import type { Duration } from "../checks/duration.ts";
import type { Codec } from "../data/codec.ts";
import type { EventName } from "../events.ts";
import type { Clock } from "../protocol/clock.ts";
import type { AuditSink } from "../stores/audit.ts";
import type { Store, UserId } from "../stores/store.ts";

/** Assurance levels of NIST SP 800-63B, whose limits a session keeps; see the option `preset`. */
export type PresetName = "aal1" | "aal2" | "aal3";

/** Where an address is, such as "Lisbon, Portugal"; undefined where that is not known. */
export type PlaceLookup = (address: string) => string | undefined | Promise<string | undefined>;

/** What is looked at to decide whether a request is a use of its session. */
export interface PassiveRequest {
  readonly method: string;
  /** Path and query, as the server got them. */
  readonly path: string;
  header(name: string): string | undefined;
}

/** The option `session.isPassive`. */
export type PassiveRule = (request: PassiveRequest) => boolean;

/** The most devices of one user, such as one for a trial account; false for no limit. */
export type DeviceLimit = (userId: UserId) => number | false | Promise<number | false>;

/**
 * Danger. As an option's key it makes cookies that travel over plain http, where any machine on the way can
 * read them: for http://localhost while developing. Refused where NODE_ENV is "production", and a warning elsewhere.
 */
export const dangerouslyAllowInsecureHttp: unique symbol = Symbol("psession.dangerouslyAllowInsecureHttp");

/**
 * A list of secrets, or text with commas between them, as in an environment variable. An undefined secret, as from a
 * variable that was not set, is refused at once.
 */
export type Secrets = string | undefined | readonly (string | Uint8Array | undefined)[];

/** What `createPsession` takes. Durations are milliseconds or text such as "30d"; docs/options.md has every default. */
export interface PsessionOptions {
  /**
   * Limits of NIST SP 800-63B-4 for an assurance level: they are the defaults, and what goes beyond them is refused.
   * `aal2` and `aal3` know no remembered logins.
   */
  preset?: PresetName | undefined;
  /** Where sessions are kept. */
  store: Store;
  /** Secrets of at least 32 bytes: the first signs, all verify. Put a new one in front to rotate. */
  keys: Secrets;
  /** The users of this instance, such as "staff", where instances for several kinds of users share a store or keys. */
  realm?: string | undefined;
  session?:
    | {
        /** A session ends this long after its last use. */
        idle?: Duration | undefined;
        /** A session ends this long after the sign-in, whatever its use. */
        absolute?: Duration | undefined;
        /** How often, at most, a session that is only read is marked as used. */
        touchEvery?: Duration | undefined;
        /** Exchange the secret of a session of this age; false never does. */
        rotateEvery?: Duration | false | undefined;
        /** The most bytes of encoded data that one session may hold. */
        maxBytes?: number | undefined;
        /** A session belongs to the address it came from, or to its network: so many leading bits of it. */
        matchAddress?: false | "exact" | { v4: number; v6: number } | undefined;
        /** A session belongs to the browser it came from: to its family, such as Firefox on Linux, or to the exact text. */
        bindUserAgent?: "off" | "family" | "exact" | undefined;
        /** Where the address or browser differs: no session, or an event. */
        onMismatch?: "refuse" | "report" | undefined;
        /**
         * True for requests that are no use of the session, such as those of a page that polls: they do not put off its
         * idle end, exchange nothing, and restore no remembered login for good.
         */
        isPassive?: PassiveRule | undefined;
        codec?: Codec | undefined;
      }
    | undefined;
  remember?:
    | {
        /** False: no remembered logins. The tick is ignored, and so are existing remember cookies. */
        enabled?: boolean | undefined;
        /** A remembered login ends when its browser has not come for this long. */
        idle?: Duration | undefined;
        /** A remembered login ends this long after the sign-in, whatever its use. */
        absolute?: Duration | undefined;
        /** What a stolen token ends: this login, or everything the user has. */
        onTheft?: "login" | "user" | undefined;
        /** How long the record of a revoked login is kept. */
        tombstone?: Duration | undefined;
      }
    | undefined;
  cookies?:
    | {
        /** Name of the session cookie. */
        session?: string | undefined;
        /** Name of the remember cookie. */
        remember?: string | undefined;
        /** Name of the cookie by which browsers are known, with `devices.detectNew`. */
        device?: string | undefined;
        /** Name of the cookie by which a user trusts a browser (`session.trust`). */
        trust?: string | undefined;
        /** Name of the cookie by which an administrator acts as another user (`session.impersonate`). */
        acting?: string | undefined;
        /** Name of the short cookie that a browser gets for a proof of its key (`deviceBound`). */
        bound?: string | undefined;
        sameSite?: "lax" | "strict" | "none" | undefined;
        path?: string | undefined;
        domain?: string | undefined;
        /** Keep cookies apart per embedding site (CHIPS); needs sameSite "none". */
        partitioned?: boolean | undefined;
        /** Send `Cache-Control: no-store` with every cookie. */
        noStore?: boolean | undefined;
      }
    | undefined;
  devices?:
    | {
        /**
         * The most devices that a user may have, checked at each sign-in. Left out: a thousand, checked at some sign-ins
         * only, so that no user fills the store. False: no limit. A function is called at each sign-in, with the user's id.
         */
        max?: number | false | DeviceLimit | undefined;
        /** What a sign-in beyond the limit does: end the device that was not used for longest, or fail. */
        overflow?: "evictOldest" | "refuse" | undefined;
        /** Looks up where an address is, for lists of devices; left out where it throws or takes too long. */
        place?: PlaceLookup | undefined;
        /**
         * Know browsers by a cookie that outlives sessions, and emit `newDevice` where a user signs in on one for the
         * first time.
         */
        detectNew?: boolean | undefined;
      }
    | undefined;
  /** Keeps what happens around accounts: sign-ins, thefts, revocations. On where the store has an audit trail. */
  audit?:
    | {
        /** Where entries go. */
        sink?: AuditSink | undefined;
        /** Which events make an entry. */
        events?: readonly EventName[] | undefined;
        /** How long entries are kept, where the sink can prune. */
        keep?: Duration | undefined;
      }
    | undefined;
  /** How much is kept of where users are. */
  privacy?:
    | {
        /**
         * What is stored of an address, in sessions and in the audit trail: all of it; its network, of 24 bits for IPv4
         * and 48 for IPv6; or nothing.
         */
        addresses?: "full" | "network" | "none" | undefined;
        /** How long addresses are kept after a session's last use, or after an audit entry was made; false: as long as these. */
        keepAddresses?: Duration | false | undefined;
      }
    | undefined;
  /**
   * Encrypts session data at rest with AES-256-GCM, bound to its row and user. Secrets of at least 32 bytes,
   * none of them used for anything else: the first encrypts, all decrypt.
   */
  encryption?:
    | {
        keys: Secrets;
        /** Read rows that are not encrypted, too, until they are saved: for switching encryption on. */
        acceptPlainText?: boolean | undefined;
      }
    | undefined;
  /** Deletes rows past their deadline from time to time; false leaves that to `psession.prune()`. */
  prune?:
    | false
    | {
        every?: Duration | undefined;
        /** Rows per statement. */
        chunk?: number | undefined;
      }
    | undefined;
  /**
   * Experimental. Binds each sign-in to a key in the user's browser, where the browser can (Device Bound Session
   * Credentials): copied cookies then die within minutes. Left out, no session is bound, and none that was is refused.
   */
  deviceBound?:
    | {
        /** Where browsers register their key and prove it: `register` and `refresh` below this path. */
        path?: string | undefined;
        /** How long a proof counts: 5 minutes to a day. Browsers sign some six proofs in ten minutes, of all tabs together. */
        lifetime?: Duration | undefined;
      }
    | undefined;
  /** How open connections hear that their session has ended in another process (`session.onEnd`). */
  onEnd?:
    | {
        /** By messages, where the store passes some on: PostgreSQL and Redis. False sends and awaits none. */
        channel?: boolean | undefined;
        /** How often their sessions are read where no messages come; a sixth as often where they do. */
        poll?: Duration | undefined;
      }
    | undefined;
  proxy?:
    | {
        /**
         * The header in which your proxy says when a request came, such as "x-request-start". Only behind one that
         * overwrites it: a visitor who can send it dates a stolen token back.
         */
        requestStart?: string | undefined;
      }
    | undefined;
  /**
   * What a visitor gets while the store cannot be read: an error (503), or an anonymous session that stores
   * nothing. Cookies are left alone either way.
   */
  whenUnavailable?: "refuse" | "anonymous" | undefined;
  /**
   * The caching headers of answers for which the session was looked at: that they depend on its cookie, and are for one
   * visitor; or none.
   */
  caching?: "protect" | "off" | undefined;
  clock?: Clock | undefined;
  [dangerouslyAllowInsecureHttp]?: boolean | undefined;
}
