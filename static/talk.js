// The messages of one conversation that the page holds, oldest first, and how far each has come. Pure: no document.
//
// A message's state is looked up when it is drawn, from the cursors that the hub tells of: nothing is written to ten
// thousand messages because one reader has moved on.

import { ANSWERED, READ, RUNGS } from "./ladder.js";
import { entry, matches } from "./view.js";

export const FOLLOWED = 2_000; // messages held while the reader is at the end: an older page is one request away
export const MOST = 12_000; // while the reader looks further up
export const MOST_TEXT = 32_000_000; // characters of all bodies

const key = (name) => name.toLowerCase();

export class Talk {
  // `page` is what the server left in the page, or GET /api/v1/messages?ladder=1 with `parties` of the page's.
  constructor(page) {
    this.cursors = new Map();
    this.turnTo(page);
  }

  // All of it as of another moment.
  turnTo(page) {
    this.parties = new Map(page.parties.map((each) => [key(each.name), each]));
    this.cursors.clear();
    this.replace(page);
  }

  replace({ messages, ladders, senders = {}, more }) {
    this.more = more;
    this.text = 0;
    this.items = [];
    this.byId = new Map();
    this.joins = []; // [message, its answer]
    this.awaited = new Map(); // the id of a message that is not here -> its answers that are
    for (const message of messages) this.#append(item(message, ladders[message.offset] ?? [], senders[message.offset]));
  }

  // Who is called so: by their own name, or by an earlier one that still leads to them.
  party(name) {
    const wanted = key(name);
    return this.parties.get(wanted) ?? [...this.parties.values()].find(({ also }) => also?.some((each) => key(each) === wanted));
  }

  get newest() {
    return this.items.at(-1)?.offset ?? 0;
  }

  // One that has just arrived; null if it is here already.
  add(message) {
    this.answer(message);
    if (message.offset <= this.newest) return null;
    const made = item(message, this.#hearers(message).map((name) => ({ name, state: "accepted" })));
    made.fresh = true;
    return this.#append(made);
  }

  // A page of older ones, oldest first. Returns how many are new.
  prepend({ messages, ladders, senders = {}, more }) {
    this.more = more;
    const first = this.items[0]?.offset ?? Infinity;
    const older = messages.filter((each) => each.offset < first).map((each) => item(each, ladders[each.offset] ?? [], senders[each.offset]));
    this.items = [...older, ...this.items];
    for (const each of older) this.#meet(each);
    return older.length;
  }

  // Lets the oldest go, so that no more than `most` messages stay, nor more text than there may be. Returns how many went.
  trim(most) {
    let gone = Math.max(0, this.items.length - most);
    for (let place = 0; place < gone; place += 1) this.#forget(this.items[place]);
    while (this.text > MOST_TEXT && gone < this.items.length - 1) this.#forget(this.items[gone++]);
    if (gone === 0) return 0;
    this.items = this.items.slice(gone);
    this.more = true;
    const first = this.items[0].offset;
    const parted = this.joins.filter(([said, answer]) => said.offset < first && answer.offset >= first);
    this.joins = this.joins.filter(([said]) => said.offset >= first);
    for (const [said, answer] of parted) this.#await(said.raw.id, answer); // the older one may be fetched again
    return gone;
  }

  // Somebody has replied, wherever that was said.
  answer({ reply_to, from }) {
    const said = reply_to && this.byId.get(reply_to);
    if (said) (said.answered ??= new Set()).add(key(from));
  }

  // What `$cursors` tells.
  move(moved) {
    for (const { name, pushed, received, read } of moved) this.cursors.set(key(name), { pushed, received, read });
  }

  // What `$message.expired` tells.
  expire(id) {
    const said = this.byId.get(id);
    if (said) said.expired = true;
  }

  // Somebody is called otherwise from now on; the old name leads to them for a while.
  rename(before, name) {
    const { topics, also } = this.party(before) ?? { topics: [], also: [] };
    this.parties.delete(key(before));
    this.parties.set(key(name), { name, also: [...also.filter((each) => key(each) !== key(name)), before], topics });
    const at = this.cursors.get(key(before));
    if (at) this.cursors.set(key(name), at);
    this.cursors.delete(key(before));
  }

  // Who hears what, from now on.
  hear(name, topic, on) {
    const party = this.parties.get(key(name)) ?? { name, also: [], topics: [] };
    const topics = party.topics.filter((each) => each !== topic);
    this.parties.set(key(name), { ...party, topics: on && topic ? [...topics, topic] : topics });
  }

  // How far a message has come: [{name, state}] of its recipients.
  steps(item) {
    return item.base.map((step) => ({ name: step.name, state: this.#state(item, step) }));
  }

  #state({ offset, answered, expired }, { name, state }) {
    const known = RUNGS.indexOf(state);
    if (answered?.has(key(name))) return RUNGS[ANSWERED];
    if (known < 0 || known >= READ) return state;
    const at = this.cursors.get(key(name));
    if (at && at.read >= offset) return expired ? "expired" : RUNGS[READ];
    if (expired) return "expired";
    const rung = !at ? 0 : at.received >= offset ? 2 : at.pushed >= offset ? 1 : 0;
    return RUNGS[Math.max(known, rung)];
  }

  // Who is sent a message that is said now; nobody is sent their own words, but a note to oneself.
  #hearers({ from, to, topic }) {
    if (topic.startsWith("inbox.")) return [this.party(topic.slice("inbox.".length))?.name ?? to];
    return [...this.parties.values()]
      .filter(({ name, topics }) => key(name) !== key(from) && (topic === "all" || topics.some((each) => matches(each, topic))))
      .map(({ name }) => name);
  }

  #append(made) {
    this.items.push(made);
    this.#meet(made);
    return made;
  }

  // Joins a message to what it answers and to what answers it, as far as they are here.
  #meet(made) {
    const { id, reply_to } = made.raw;
    this.byId.set(id, made);
    this.text += made.raw.body.length;
    for (const answer of this.awaited.get(id) ?? []) {
      this.joins.push([made, answer]);
      (made.answered ??= new Set()).add(key(answer.sender));
    }
    this.awaited.delete(id);
    if (!reply_to) return;
    const said = this.byId.get(reply_to);
    if (said) {
      this.joins.push([said, made]);
      this.answer({ reply_to, from: made.sender });
    } else this.#await(reply_to, made);
  }

  #await(id, answer) {
    this.awaited.set(id, [...(this.awaited.get(id) ?? []), answer]);
  }

  #forget(item) {
    const { id, reply_to, body } = item.raw;
    this.text -= body.length;
    this.byId.delete(id);
    const others = (this.awaited.get(reply_to) ?? []).filter((each) => each !== item);
    if (others.length > 0) this.awaited.set(reply_to, others);
    else this.awaited.delete(reply_to);
  }
}

// `sender` is what whoever said it is called now; `raw.from` is the name it was said under.
const item = (raw, base, sender = raw.from) => ({ raw, offset: raw.offset, sender, base, answered: null, expired: false, fresh: false, shown: null });

// A message in finished words; made when it is first drawn.
export const shown = (item) => (item.shown ??= entry(item.raw));
