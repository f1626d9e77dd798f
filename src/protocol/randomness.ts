import { randomFillSync } from "node:crypto";
import { copyOf } from "./bytes.ts";
import { beforeSnapshot } from "./snapshot.ts";

const AHEAD = 4096;

/**
 * Random bytes, drawn ahead of their use: asking OpenSSL for each id and secret took a sixth of a sign-in. Filled when
 * first needed, and wiped where handed out. An attacker who can read this process's memory has the state of OpenSSL's
 * generator as well, and with it all future output. Processes that start from one snapshot do not share it.
 */
class Randomness {
  readonly #drawn = Buffer.alloc(AHEAD);
  #taken = AHEAD;

  constructor() {
    beforeSnapshot(() => {
      this.#drawn.fill(0);
      this.#taken = AHEAD;
    });
  }

  /** At most 4096. */
  take(length: number): Buffer {
    if (this.#taken + length > AHEAD) {
      randomFillSync(this.#drawn);
      this.#taken = 0;
    }
    const end = this.#taken + length;
    const bytes = copyOf(this.#drawn.subarray(this.#taken, end));
    this.#drawn.fill(0, this.#taken, end);
    this.#taken = end;
    return bytes;
  }
}

export const randomness = new Randomness();
