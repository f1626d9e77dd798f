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

/** What sealed data is bound to: put into another row, or given to another user, it does not open. */
export interface Bond {
  readonly id: string;
  readonly userId: UserId | undefined;
}

interface VaultKey {
  /** Names the key in a row without saying anything about it. */
  readonly id: string;
  readonly key: KeyObject;
}

const SEALED = /^enc1\.([A-Za-z0-9_-]{8})\.([A-Za-z0-9_-]+)$/;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Encrypts session data with AES-256-GCM (NIST SP 800-38D). Each text has a key of its own, derived from a random
 * salt, so that no number of saves wears a key out. The first key seals, every one opens.
 */
export class Vault {
  readonly #keys: readonly VaultKey[];
  readonly #opensPlainText: boolean;

  constructor(keys: readonly (string | Uint8Array)[], opensPlainText: boolean) {
    this.#keys = keys.map(vaultKey);
    this.#opensPlainText = opensPlainText;
  }

  seal(text: string, bond: Bond): string {
    const current = this.#keys[0];
    if (current === undefined) throw new Error("A vault has at least one key.");
    const salt = randomBytes(NONCE_BYTES);
    const { key, nonce } = textKey(current.key, salt);
    const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(associated(bond, current.id));
    const sealed = Buffer.concat([salt, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
    return `enc1.${current.id}.${sealed.toString("base64url")}`;
  }

  open(text: string, bond: Bond): string {
    const [, keyId, body] = SEALED.exec(text) ?? [];
    if (keyId === undefined || body === undefined) {
      if (this.#opensPlainText) return text;
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
      const opened = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, "utf8");
      return opened + decipher.final("utf8");
    } catch (cause) {
      throw unreadable("it was changed, or belongs to another session or user", cause);
    }
  }
}

function vaultKey(key: string | Uint8Array): VaultKey {
  const input = bytesOfKey(key);
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
