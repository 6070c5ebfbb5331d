// When a page draws, so that it is never in the way of what a person does.

const HIDDEN = 500; // ms between two drawings of a page in the background, for its title's sake

// At most once a frame, however often it is asked for. `paint` is told when it may.
export class Frames {
  #asked = false;

  constructor(paint) {
    this.paint = () => {
      this.#asked = false;
      paint();
    };
  }

  soon() {
    if (this.#asked) return;
    this.#asked = true;
    if (document.hidden) setTimeout(this.paint, HIDDEN);
    else requestAnimationFrame(this.paint);
  }
}

// What comes after this is a task of its own: the browser may draw or answer a click before it.
export const rest = () => new Promise((then) => setTimeout(then));
