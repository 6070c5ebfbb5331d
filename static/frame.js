// When a page draws, so that it is never in the way of what a person does.

const HIDDEN = 500; // ms between two drawings of a page in the background, for its title's sake
const SHARE = 3; // a drawing that takes long is followed by this many times its length of rest
const LONGEST = 100; // ms of rest at most: what was said is to be seen soon, however slow the machine

// At most once a frame, however often it is asked for. `paint` is told when it may.
export class Frames {
  #asked = false; // for the next frame
  #due = null; // a timer that will ask for it
  #free = 0; // when the page has rested

  constructor(paint) {
    this.paint = () => {
      this.#asked = false;
      paint();
    };
  }

  // For what came by itself.
  soon() {
    if (this.#due !== null || (this.#asked && !document.hidden)) return;
    const wait = document.hidden ? HIDDEN : this.#free - performance.now();
    if (wait <= 0) return this.next();
    this.#due = setTimeout(() => {
      this.#due = null;
      document.hidden ? this.paint() : this.next();
    }, wait);
  }

  // For what a person did: with the next frame.
  next() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => this.#frame());
  }

  // What has been drawn the browser then lays out and paints: how long all that takes is known once it comes to the next task.
  async #frame() {
    const began = performance.now();
    this.#free = began + LONGEST;
    this.paint();
    await rest();
    const now = performance.now();
    this.#free = now + Math.min(LONGEST, SHARE * (now - began));
    if (this.#due === null) return;
    clearTimeout(this.#due);
    this.#due = null;
    this.soon();
  }
}

// What comes after this is a task of its own: the browser may draw or answer a click before it.
export const rest = () => new Promise((then) => setTimeout(then));
