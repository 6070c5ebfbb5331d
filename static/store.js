// The messages that the page holds: those in the flow, and those that wait while the reader looks further up.
// To an entry of view.js this adds `fresh` (it came while the page was open, not among many, and its arrow is yet to be drawn),
// `folded` (nobody has looked inside, so there is nothing inside yet: at two hundred a second that is most of the work) and
// `drawn` (the server has drawn the inside, in a noscript).

import { entry, shows } from "./view.js";

const HELD = 500; // messages in the flow; a page left open all day stays as large as in its first hour
const MOST = 2_000; // with older ones that the reader asked for

export class Messages {
  constructor(held) {
    this.held = held.map((each) => ({ ...each, folded: true, drawn: true }));
    this.waiting = [];
    this.limit = HELD;
  }

  // The newest offset that the page has.
  get newest() {
    return (this.waiting.at(-1) ?? this.held.at(-1))?.offset ?? 0;
  }

  // One that just arrived; `aside` while the reader must not be disturbed, `many` says whether it is one of many. Says
  // whether it is one to show.
  add(message, aside, many) {
    if (!shows(message) || message.offset <= this.newest) return false;
    this.#append({ ...folded(entry(message)), fresh: !many() }, aside);
    return true;
  }

  // Where the log has a hole, the flow says so in the place of what is missing.
  addGap({ from, to }, at, aside) {
    const count = to - from + 1;
    this.#append({ ...GAP, offset: to, at, sent: new Date(at).toISOString(), fact: gapText(count) }, aside);
  }

  // The reader looks inside a message. Says whether that changes what is drawn.
  unfold(offset) {
    const place = this.held.findIndex((each) => each.offset === offset && each.folded);
    if (place < 0) return false;
    this.held = this.held.with(place, { ...this.held[place], folded: false });
    return true;
  }

  // The reader is at the end again.
  release() {
    if (this.waiting.length === 0) return;
    this.held = [...this.held, ...this.waiting].slice(-this.limit);
    this.waiting = [];
  }

  // A page of older ones, oldest first.
  prepend(older) {
    const first = this.held[0]?.offset ?? Infinity;
    const new_ = older.filter((each) => each.offset < first).map(folded);
    this.limit = Math.min(MOST, this.limit + new_.length);
    this.held = [...new_, ...this.held].slice(-this.limit);
  }

  replace(held) {
    this.held = held.map(folded);
    this.waiting = [];
    this.limit = HELD;
  }

  #append(each, aside) {
    if (aside) this.waiting = [...this.waiting, each].slice(-this.limit);
    else this.held = [...this.held, each].slice(-this.limit);
  }
}

const folded = (each) => ({ ...each, folded: true });

const GAP = entry({
  offset: 0, id: "", from: "$hub", to: "all", topic: "$gap", thread: null, reply_to: null,
  body: "", data: null, at: "1970-01-01T00:00:00Z", attachments: null,
});

const gapText = (count) => `${count === 1 ? "one message is" : `${count} messages are`} no longer kept`;
