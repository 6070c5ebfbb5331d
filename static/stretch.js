// Which of the messages in the flow are drawn. All of them, unless many come while the reader is at the end: then those in sight
// only, and a few above, for at two hundred a second more may come between two drawings than there is room for, and each row that
// is there costs something in every frame. When the reader looks further up, the others come back. Pure: times are passed in.

const MANY = 8; // messages within
const SPAN = 1_000; // ms
const FACT = 20; // px, the least height of a row that tells a fact
const EMPTY = 26; // px, of a message without a text
const MESSAGE = 36; // px, of one with a text
const MORE = 60; // rows that come back at a time

export class Stretch {
  first = 0; // the offset of the first message drawn; 0: all
  #came = [];

  // A message came. Says whether it is one of many.
  note(at) {
    this.#came.push(at);
    if (this.#came.length > MANY) this.#came.shift();
    return this.many(at);
  }

  many(at) {
    return this.#came.length === MANY && at - this.#came[0] < SPAN;
  }

  // Lets go of all but the newest of `rows`, as many as fill a window of that height. What is in use, the message at offset
  // `used`, stays, and all that comes after it.
  cut(rows, height, used) {
    let room = height;
    for (let at = rows.length - 1; at >= 0; at -= 1) {
      room -= rows[at].fact !== null ? FACT : rows[at].preview ? MESSAGE : EMPTY;
      if (room > 0) continue;
      this.first = Math.max(this.first, Math.min(rows[at].offset, used));
      return;
    }
  }

  // Some of what was let go of.
  grow(rows) {
    const place = rows.findIndex(({ offset }) => offset >= this.first);
    this.first = place > MORE ? rows[place - MORE].offset : 0;
  }

  all() {
    this.first = 0;
  }
}
