// Fetches the tables anew when something may have changed: soon after it did, but never twice at once, nor often while things go
// on, and the less often the longer it takes. Who reads a number wants it still for a moment, and the hub counts for each fetch.

const QUIET = 250; // ms from the first change to the fetch, unless said otherwise
const EVERY = 1_000; // ms from a fetch to the next at least
const SHARE = 4; // a fetch that takes long is followed by this many times its length of rest

export class Refresh {
  #due = null;
  #busy = false;
  #again = false;
  #free = 0; // when the next may be

  constructor(fetchOnce, quiet = QUIET) {
    this.fetchOnce = fetchOnce;
    this.quiet = quiet;
  }

  soon() {
    if (this.#busy) this.#again = true;
    else this.#due ??= setTimeout(() => this.#run(), Math.max(this.quiet, this.#free - performance.now()));
  }

  // After what a person did.
  now() {
    if (this.#busy) this.#again = true;
    else this.#run();
  }

  async #run() {
    clearTimeout(this.#due);
    this.#due = null;
    this.#busy = true;
    const began = performance.now();
    try {
      await this.fetchOnce();
    } finally {
      const now = performance.now();
      this.#free = now + Math.max(EVERY, SHARE * (now - began));
      this.#busy = false;
      if (this.#again) {
        this.#again = false;
        this.soon();
      }
    }
  }
}
