import { hash } from "node:crypto";
import { randomness } from "../../protocol/randomness.ts";

/** 192 random bits, as express-session's own ids have (ASVS 7.2.3 asks for 128). */
export const newId = (): string => randomness.take(24).toString("base64url");

const HASHED = "sha256-";

/** The id that the store sees with `hashIds`: a leaked table must not yield usable cookies. */
export const hashedId = (id: string): string => HASHED + hash("sha256", id, "hex");

/** A hash out of a leaked table, presented as an id, would be found as it stands. Some stores ignore case. */
export const looksHashed = (id: string): boolean => id.toLowerCase().startsWith(HASHED);
