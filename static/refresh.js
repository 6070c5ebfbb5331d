// Fetches the tables anew when something may have changed: never twice at once, and the less often the longer it takes.

const QUIET = 250; // ms between two fetches at least, unless said otherwise
const SHARE = 4; // a fetch that takes long is followed by this many times its length of rest

export class Refresh {
  #due = null;
  #busy = false;
  #again = false;
  #quiet;
  #rest;

  constructor(fetchOnce, quiet = QUIET) {
    this.fetchOnce = fetchOnce;
    this.#quiet = this.#rest = quiet;
  }

  soon() {
    if (this.#busy) this.#again = true;
    else this.#due ??= setTimeout(() => this.#run(), this.#rest);
  }

  async #run() {
    this.#due = null;
    this.#busy = true;
    const began = performance.now();
    try {
      await this.fetchOnce();
    } finally {
      this.#rest = Math.max(this.#quiet, SHARE * (performance.now() - began));
      this.#busy = false;
      if (this.#again) {
        this.#again = false;
        this.soon();
      }
    }
  }
}
