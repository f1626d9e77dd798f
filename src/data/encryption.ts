import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { PsessionError } from "../errors.ts";
import { bytesOfKey } from "../protocol/bytes.ts";
import type { UserId } from "../protocol/rows.ts";

/** What encrypted data is bound to: moved to another row or user, it cannot be decrypted. */
export interface Bond {
  readonly id: string;
  readonly userId: UserId | undefined;
}

interface EncryptionKey {
  /** Names the key in a row without saying anything about it. */
  readonly id: string;
  readonly key: KeyObject;
}

const ENCRYPTED = /^enc1\.([A-Za-z0-9_-]{8})\.([A-Za-z0-9_-]+)$/;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Encrypts session data with AES-256-GCM (NIST SP 800-38D). Each text has a key of its own, derived from a random
 * salt, so that no number of saves wears a key out. The first key encrypts, all decrypt.
 */
export class Encryption {
  readonly #keys: readonly EncryptionKey[];
  readonly #acceptsPlainText: boolean;

  constructor(keys: readonly (string | Uint8Array)[], acceptsPlainText: boolean) {
    this.#keys = keys.map(encryptionKey);
    this.#acceptsPlainText = acceptsPlainText;
  }

  encrypt(text: string, bond: Bond): string {
    const current = this.#keys[0];
    if (current === undefined) throw new Error("Encryption needs at least one key.");
    const salt = randomBytes(NONCE_BYTES);
    const { key, nonce } = textKey(current.key, salt);
    const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(associated(bond, current.id));
    const encrypted = Buffer.concat([salt, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
    return `enc1.${current.id}.${encrypted.toString("base64url")}`;
  }

  decrypt(text: string, bond: Bond): string {
    const [, keyId, body] = ENCRYPTED.exec(text) ?? [];
    if (keyId === undefined || body === undefined) {
      if (this.#acceptsPlainText) return text;
      throw unreadable(
        "it is not encrypted; encryption.acceptPlainText lets such rows in until they are saved",
      );
    }
    const named = this.#keys.find(({ id }) => id === keyId);
    if (named === undefined) throw unreadable("its key is not among encryption.keys");
    const bytes = Buffer.from(body, "base64url");
    const { key, nonce } = textKey(named.key, bytes.subarray(0, NONCE_BYTES));
    try {
      const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
      decipher.setAAD(associated(bond, named.id));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      // As text at once: to put buffers together would leave the data in Node's slab.
      const decrypted = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, "utf8");
      return decrypted + decipher.final("utf8");
    } catch (cause) {
      throw unreadable("it was changed, or belongs to another session or user", cause);
    }
  }
}

function encryptionKey(key: string | Uint8Array): EncryptionKey {
  const input = bytesOfKey(key);
  // The labels are part of the format: other ones would be other keys.
  const expand = (info: string, length: number) =>
    Buffer.from(hkdfSync("sha256", input, "psession", `psession/1/${info}`, length));
  return {
    id: expand("vault-id", 6).toString("base64url"),
    key: createSecretKey(expand("vault", 32)),
  };
}

/** 96 random bits as GCM's nonce would be safe for 2^32 texts of a key; as salt they make a key for each. */
function textKey(key: KeyObject, salt: Uint8Array): { key: Buffer; nonce: Buffer } {
  const derived = Buffer.from(hkdfSync("sha256", key, salt, "psession/1/text", 32 + NONCE_BYTES));
  return { key: derived.subarray(0, 32), nonce: derived.subarray(32) };
}

function associated({ id, userId }: Bond, keyId: string): Buffer {
  // As JSON, 7 and "7" are two users, and no id can be made to look like another with its user.
  return Buffer.from(JSON.stringify([keyId, id, userId ?? null]), "utf8");
}

const unreadable = (why: string, cause?: unknown): PsessionError =>
  new PsessionError("data_unreadable", `The data of a stored session cannot be read: ${why}.`, { cause });
