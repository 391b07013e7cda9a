import { setTimeout as sleep } from 'node:timers/promises';

// How often in a row a stream may break without having brought anything.
const ATTEMPTS = 8;

/** Waits between the tries of a stream that breaks. */
export class Patience {
  #failures = 0;

  /** Call it when a stream has brought something. */
  renew() {
    this.#failures = 0;
  }

  /** Waits longer each time. Throws `error` where trying again does not help, or has not helped. */
  async wait(error) {
    this.#failures += 1;
    if (error.code !== 'UNAVAILABLE' || this.#failures === ATTEMPTS) throw error;
    const delay = Math.min(200 * 2 ** this.#failures, 3_000);
    await sleep((delay / 2) * (1 + Math.random()));
  }
}
