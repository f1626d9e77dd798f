import { hash } from "node:crypto";
import { randomness } from "../../protocol/randomness.ts";

/** 192 random bits, as express-session's own ids have (ASVS 7.2.3 asks for 128). */
export const newId = (): string => randomness.take(24).toString("base64url");

const HASHED = "sha256-";

/** What the store sees with `hashIds`: a leaked table must not yield usable cookies. */
export const hashedId = (id: string): string => HASHED + hash("sha256", id, "hex");

/** Presented as an id it would be found in the table as it stands, and the hash be worth the id. Some stores fold case. */
export const looksHashed = (id: string): boolean => id.toLowerCase().startsWith(HASHED);
