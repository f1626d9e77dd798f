import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

const derive = promisify(scrypt);
const COST = { N: 2 ** 15, r: 8, p: 3, maxmem: 64 * 2 ** 20 };

export async function hashPassword(password) {
  const salt = randomBytes(16);
  const hash = await derive(password.normalize("NFKC"), salt, 32, COST);
  return [COST.N, COST.r, COST.p, salt.toString("base64url"), hash.toString("base64url")].join("$");
}

/** Checked if there is no user, so that the response takes as long as with one. */
const NOBODY = await hashPassword(randomBytes(32).toString("hex"));

export async function isPassword(password, stored) {
  const [N, r, p, salt, hash] = (stored ?? NOBODY).split("$");
  const expected = Buffer.from(hash, "base64url");
  const cost = { ...COST, N: Number(N), r: Number(r), p: Number(p) };
  const given = await derive(
    password.normalize("NFKC"),
    Buffer.from(salt, "base64url"),
    expected.length,
    cost,
  );
  return timingSafeEqual(given, expected) && stored !== undefined;
}
