// What a page shows: a snapshot and a filter in, rows of finished words out. The same as dashboard/view.py, which made
// the first page; a test holds the two together. Pure: the time is passed in.

import * as links from "./links.js";
import { TOO_LONG, ago, bytes, clock, count, hue, instant, plural, size, span, visible } from "./words.js";

const BODY_SHOWN = 4_000;
const PREVIEW = 280;
const PREVIEW_LINES = 3;
const QUEUES_SHOWN = 10;
const READERS_SHOWN = 6;
const HELD_SHOWN = 5;
const QUIET = ["$cursors", "$instance.presence"];
const INSTANCES_SHOWN = 20;

export class Filter {
  constructor({ with_ = "", topic = "", thread = "", facts = true } = {}) {
    Object.assign(this, { with_, topic, thread, facts });
  }

  static of(search) {
    const query = new URLSearchParams(search);
    return new Filter({
      with_: trim(query.get("with") ?? ""),
      topic: trim(query.get("topic") ?? "").replace(/^#/, "").toLowerCase(),
      thread: trim(visible(query.get("thread") ?? "")),
      facts: query.get("facts") !== "0",
    });
  }

  link(change) {
    const parts = { ...this, ...change };
    const told = [["with", parts.with_], ["topic", parts.topic], ["thread", parts.thread]].filter(([, value]) => value);
    if (!parts.facts) told.push(["facts", "0"]);
    return "?" + told.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join("&");
  }

  get narrows() {
    return Boolean(this.with_ || this.topic || this.thread);
  }

  shows(entry) {
    if (entry.fact !== null) {
      if (!this.facts || this.topic || this.thread) return false;
      return !this.with_ || entry.about.toLowerCase() === this.with_.toLowerCase();
    }
    if (this.with_) {
      const name = this.with_.toLowerCase();
      const parties = [entry.sender.toLowerCase(), entry.to.toLowerCase()];
      if (!parties.includes(name) && entry.topic !== `inbox.${name}`) return false;
    }
    if (this.topic && !matches(this.topic, entry.topic)) return false;
    return !this.thread || entry.thread === this.thread;
  }
}

export function matches(pattern, topic) {
  const want = pattern.split(".");
  let have = topic.split(".");
  if (want.at(-1) === ">") {
    want.pop();
    if (have.length <= want.length) return false;
    have = have.slice(0, want.length);
  }
  return want.length === have.length && want.every((word, place) => word === "*" || word === have[place]);
}

export function overview(snapshot, chosen, now) {
  const { hub, instances } = snapshot;
  const rows = [...instances].sort(hereFirst).map((each) => instanceRow(each, now));
  const folds = (row) => rows.length > INSTANCES_SHOWN && !row.online && !row.waiting;
  const folded = rows.filter(folds);
  const online = new Set(instances.filter((each) => each.online).map((each) => each.name));
  const held = new Set((snapshot.holds ?? []).map(({ queue }) => heldTopic(queue)));
  const looping = new Set((snapshot.held ?? []).flatMap((each) => each.names ?? []).map((name) => `inbox.${name.toLowerCase()}`));
  const worst = snapshot.topics.map((each) => [queueState(each, online, looping, held, now), each]).sort(worstFirst);
  const topics = worst.map(([, each]) => each);
  const queues = worst.map(([state, each]) => queueRow(each, state, now));
  const open = topics.filter((each) => !each.topic.startsWith("$"));
  return {
    title: hub.problems?.length ? "Hubbub: not ready" : `Hubbub: ${many(hub.online)} online, ${many(hub.unread)} unread`,
    problems: (hub.problems ?? []).map(visible),
    notices: (hub.notices ?? []).map(visible),
    held: (snapshot.held ?? []).slice(0, HELD_SHOWN).map(heldRow),
    held_more: heldMore((snapshot.held ?? []).length - HELD_SHOWN),
    totals: totals(snapshot, now),
    instances: rows.filter((row) => !folds(row)),
    more_instances: folded,
    instances_folded: `${plural(folded.length, "more instance")}, offline with nothing unread`,
    queues: queues.slice(0, QUEUES_SHOWN),
    more_queues: queues.slice(QUEUES_SHOWN),
    queues_folded: foldedText("queue", topics.slice(QUEUES_SHOWN)),
    empty: instances.length === 0 && open.length === 0,
    names: choices(instances.map((each) => each.name), chosen.with_),
    topics: choices(open.map((each) => each.topic), chosen.topic),
    queue_names: queueNames(instances, open),
    write_to: chosen.with_ || (chosen.topic && `#${chosen.topic}`),
    thread: chosen.thread,
    without_thread: chosen.link({ thread: "" }),
    clear: new Filter({ facts: chosen.facts }).link(),
    conversation: `/conversation${chosen.link({ facts: true })}`,
    narrows: chosen.narrows,
    facts: chosen.facts,
    facts_link: chosen.link({ facts: !chosen.facts }),
    at: "", // the browser draws the present only
  };
}

// Whether a message is one for the flow: some facts are too many for it, and the tables show what they say.
export const shows = (message) => !QUIET.includes(message.topic);

export const entries = (messages) => messages.filter(shows).map(entry);

export function entry(message) {
  const body = visible(message.body);
  const shown = first(body, BODY_SHOWN);
  const whole = shown.length === body.length;
  const { preview, long } = previewOf(shown, whole);
  const sender = visible(message.from);
  const to = visible(message.to);
  const { about, fact } = message.topic.startsWith("$") ? factOf(message) : { about: "", fact: null };
  const kind = to.toLowerCase() === "all" ? "all" : to.startsWith("#") ? "topic" : "name";
  return {
    offset: message.offset,
    id: visible(message.id),
    link: links.message(message.id, message.offset),
    at: instant(message.at),
    sent: message.at,
    sender,
    sender_hue: hue(sender),
    sender_link: links.instance(message.from),
    to,
    to_kind: kind,
    to_hue: hue(to),
    to_link: kind === "name" ? links.instance(message.to) : links.topic(message.topic),
    topic: visible(message.topic),
    topic_link: links.topic(message.topic),
    thread: message.thread ? visible(message.thread) : null,
    thread_link: message.thread ? links.thread(message.thread) : "",
    reply_to: message.reply_to ? visible(message.reply_to) : null,
    reply_link: message.reply_to ? links.message(message.reply_to) : "",
    preview,
    body: shown,
    long,
    whole,
    size: size(bytes(message.body)),
    data: fact === null ? dataOf(message.data) : null,
    files: (message.attachments ?? []).map((each) => fileOf(each, message.id)),
    answer_by: message.answer_by ?? null,
    fact,
    about,
    about_hue: hue(about),
    about_link: about ? links.instance(about) : "",
  };
}

// The rows from the message at offset `first` on.
export function flow(all, chosen, now, first = 0) {
  const held = all.filter(({ offset }) => offset >= first);
  const offsets = new Map(held.filter((each) => each.fact === null).map((each) => [each.id, each.offset]));
  return held
    .filter((each) => chosen.shows(each))
    .map((each) => ({
      entry: each,
      clock: clock(each.at, now),
      answers: offsets.get(each.reply_to) ?? null,
      thread_link: each.thread ? chosen.link({ thread: each.thread }) : "",
      wanted: each.answer_by ? clock(instant(each.answer_by), now) : "",
    }));
}

export const nothing = (held, chosen) =>
  chosen.narrows && held.length > 0
    ? `None of the last ${plural(held.length, "message")} fits. Older ones may.`
    : "Nothing has been said yet.";

export const older = (held, snapshot) => held.length > 0 && held[0].offset > Math.max(1, snapshot.hub.floor);

function totals(snapshot, now) {
  const { hub, instances } = snapshot;
  const kept = snapshot.topics.filter((each) => !each.topic.startsWith("$"));
  const total = (label, value, note, late = false) => ({ label, value, note, late });
  const sum = (key) => kept.reduce((amount, each) => amount + each[key], 0);
  const oldest = instances
    .filter((each) => each.oldest_unread_at)
    .map((each) => ({ since: instant(each.oldest_unread_at), name: each.name }))
    .sort((one, other) => one.since - other.since || order(one.name, other.name))[0];
  return [
    total("online", many(hub.online), `of ${plural(hub.instances, "instance")}`),
    total("unread", many(hub.unread), hub.unread === 1 ? "message" : "messages"),
    oldest
      ? total("oldest unread", span(now - oldest.since), `for ${visible(oldest.name)}`, now - oldest.since >= TOO_LONG)
      : total("oldest unread", "none", "all is read"),
    total("kept", count(sum("messages")), size(sum("bytes"))),
    total("head", count(hub.head), "newest offset"),
    total("up", span(now - instant(hub.started_at)), `pid ${hub.pid}`),
  ];
}

function instanceRow(each, now) {
  const oldest = each.oldest_unread_at ? now - instant(each.oldest_unread_at) : null;
  const state = stateOf(each, now);
  return {
    who: ref(each.name),
    online: each.online,
    state: each.sessions > 1 ? `${state}, ${plural(each.sessions, "session")}` : state,
    unread: many(each.unread),
    waiting: Boolean(each.unread),
    oldest: oldest === null ? "" : span(oldest),
    late: oldest !== null && oldest >= TOO_LONG,
    seen: each.last_seen ? ago(now - instant(each.last_seen)) : each.online === null ? "unknown" : "never",
    seen_at: each.last_seen ?? "",
    client: visible(each.client ?? ""),
    hops: each.hops?.length > 0 ? visible(`by ${each.hops.join(", ")}`) : "",
    topics: each.topics.map(visible),
    step: links.step(`inbox.${each.name}`),
  };
}

function stateOf(each, now) {
  if (each.human || each.paused) return (each.human ? "a person" : "paused") + (each.online ? "" : ", offline");
  if (!each.online) return each.online === null ? "unknown" : "offline";
  const text = each.state === "online" ? "online" : `${each.state} for ${span(now - instant(each.since))}`;
  return each.wakes === false && each.state !== "waiting" ? `${text}, not woken` : text;
}

function heldRow(each) {
  const sender = visible(each.from);
  return {
    offset: each.offset,
    sender,
    sender_hue: hue(sender),
    to: visible(each.to),
    why: whyHeld(each),
    preview: previewOf(first(visible(each.body), BODY_SHOWN), true).preview,
    command: `hubbub release ${each.offset}`,
  };
}

// Why a message waits: a circle of agents, or who holds its queue or has paused its sender.
function whyHeld(each) {
  if (!each.holds)
    return `${plural(each.messages, "message")} in a row with nothing new among ${visible(each.names.join(", "))}`;
  const kinds = { sender: `${visible(each.from)} is paused`, queue: `what is sent to ${visible(each.to)} is held` };
  return [...new Set(each.holds.map((stop) => kinds[stop.kind] + byWhom(stop)))].join(", ");
}

const byWhom = ({ by, reason }) => (by ? ` by ${visible(by)}` : "") + (reason ? ` (${visible(reason)})` : "");

const heldMore = (number) => (number > 0 ? `${plural(number, "more message")} held` : "");

// The topic of a queue that is held, as it is written: `alice`, `#build` or `all`.
const heldTopic = (queue) => (queue.startsWith("#") ? queue.slice(1) : queue === "all" ? queue : `inbox.${queue.toLowerCase()}`);

// What is wrong with a queue; `oldest` is 0 where that is further back than is known, null if nothing waits.
function queueState(each, online, looping, held, now) {
  const behind = each.readers.filter((reader) => reader.backlog > 0);
  const since = (reader) => (reader.oldest_at ? instant(reader.oldest_at) : 0);
  const backlogs = each.readers.map((reader) => reader.backlog);
  return {
    looping: looping.has(each.topic),
    held: held.has(each.topic),
    stuck: behind.some((reader) => online.has(reader.name) && since(reader) > 0 && now - since(reader) >= TOO_LONG),
    bounced: each.bounced,
    oldest: behind.length > 0 ? Math.min(...behind.map(since)) : null,
    most: Math.max(0, ...backlogs),
    all: backlogs.reduce((amount, backlog) => amount + backlog, 0),
  };
}

const marksOf = ({ looping, held, stuck, bounced }) =>
  [looping && "looping", held && "held", stuck && "stuck", bounced > 0 && `${count(bounced)} expired`].filter(Boolean).join(", ");

function queueRow(each, state, now) {
  const topic = visible(each.topic);
  const readers = [...each.readers].sort(
    (one, other) => other.backlog - one.backlog || order(one.name.toLowerCase(), other.name.toLowerCase()),
  );
  const cells = readers.map((reader) => ({
    who: ref(reader.name),
    backlog: count(reader.backlog),
    behind: reader.backlog > 0,
  }));
  const prefix = topic.startsWith("inbox.") ? "inbox." : "";
  const rest = topic.slice(prefix.length);
  return {
    topic,
    link: links.topic(each.topic),
    prefix,
    rest,
    rest_hue: hue(rest),
    backlog: cells.length > 0 ? cells[0].backlog : "",
    waiting: cells.length > 0 && cells[0].behind,
    oldest: state.oldest === null ? "" : state.oldest ? span(now - state.oldest) : "unknown",
    late: Boolean(state.oldest) && now - state.oldest >= TOO_LONG,
    marks: marksOf(state),
    messages: count(each.messages),
    size: size(each.bytes),
    readers: cells.slice(0, READERS_SHOWN),
    more_readers: cells.slice(READERS_SHOWN),
    more: foldedText("reader", readers.slice(READERS_SHOWN).map((reader) => ({ readers: [reader] }))),
    step: topic.startsWith("$") ? "" : links.step(each.topic),
  };
}

function ref(spelled) {
  const name = visible(spelled);
  return { name, hue: hue(name), link: links.instance(spelled) };
}

const order = (one, other) => (one < other ? -1 : one > other ? 1 : 0);

const hereFirst = (one, other) =>
  other.online - one.online || order(one.name.toLowerCase(), other.name.toLowerCase());

function worstFirst([one, its], [other, others]) {
  const rank = (state, { topic }) => [
    topic.startsWith("$"), !state.looping, !state.stuck, -state.bounced,
    state.oldest === null, state.oldest ?? 0, -state.most, -state.all,
  ];
  const ranks = rank(other, others);
  return rank(one, its).map((part, place) => part - ranks[place]).find((part) => part !== 0) ?? order(its.topic, others.topic);
}

function foldedText(what, rest) {
  const waiting = rest.flatMap((each) => each.readers).reduce((amount, reader) => amount + reader.backlog, 0);
  return `${plural(rest.length, `more ${what}`)}, ${waiting ? count(waiting) : "nothing"} unread`;
}

function queueNames(instances, topics) {
  const names = instances.map((each) => visible(each.name)).sort((one, other) => order(one.toLowerCase(), other.toLowerCase()));
  const named = topics.filter(({ topic }) => topic !== "all" && !topic.startsWith("inbox.")).map(({ topic }) => `#${topic}`);
  return [...names, "all", ...named.sort(order)];
}

function choices(values, chosen) {
  const known = new Map(values.map(visible).map((value) => [value.toLowerCase(), value]));
  const key = chosen.toLowerCase();
  if (chosen && !known.has(key)) known.set(key, chosen);
  return [...known.keys()].sort(order).map((each) => ({ value: known.get(each), chosen: each === key }));
}

const many = (number) => (number === null ? "unknown" : count(number));

// The first `limit` characters, never half of one.
function first(text, limit) {
  return text.length <= limit ? text : Array.from(text.slice(0, 2 * limit)).slice(0, limit).join("");
}

// A loop, because /[ \t\n]+$/ takes quadratic time on a long run of blanks that does not end the text.
function trimEnd(text) {
  let end = text.length;
  while (end > 0 && " \t\n".includes(text[end - 1])) end -= 1;
  return text.slice(0, end);
}

const trim = (text) => trimEnd(text).replace(/^[ \t\n]+/, "");

function previewOf(shown, whole) {
  const lines = shown.split("\n").map(trimEnd).filter(Boolean);
  const text = lines.slice(0, PREVIEW_LINES).join("\n");
  if (first(text, PREVIEW) !== text) return { preview: trimEnd(first(text, PREVIEW - 1)) + "…", long: true };
  return lines.length > PREVIEW_LINES || !whole ? { preview: text + "…", long: true } : { preview: text, long: false };
}

function dataOf(data) {
  if (data === null) return null;
  const text = visible(JSON.stringify(data, null, 2));
  const shown = first(text, BODY_SHOWN);
  return shown === text ? text : shown + "…";
}

function fileOf(attachment, id) {
  const name = visible(String(attachment.name || "unnamed"));
  const text = Number.isInteger(attachment.size) ? `${name}, ${size(attachment.size)}` : name;
  if (attachment.here === false) return { text: `${text}, not in this replay`, link: "" };
  return {
    text,
    link: typeof attachment.sha256 === "string" ? links.attachment(attachment.sha256, id) : "",
  };
}

const namesOf = (told) => (Array.isArray(told.names) ? told.names.filter((each) => typeof each === "string").join(", ") : "");
const numberOf = (told) => plural(Number.isInteger(told.messages) ? told.messages : 0, "message");

function factOf(message) {
  const told = message.data ?? {};
  const of = (key) => (typeof told[key] === "string" ? told[key] : "");
  const sessions = Number.isInteger(told.sessions) ? told.sessions : 0;
  const name = visible(of("name"));
  const say = (text, about = name) => ({ about, fact: visible(text) });
  switch (message.topic) {
    case "$hub.started":
      return say(`the hub started, version ${of("version")}`, "");
    case "$hub.stopped":
      return say(`the hub stopped: ${of("reason")}`, "");
    case "$instance.registered":
      return say("registered");
    case "$instance.renamed":
      return say(`is the new name of ${of("old")}`);
    case "$instance.forgot":
      return say("origin" in told ? "is forgotten" : "is a free name again");
    case "$loop.noticed":
      return say(`${namesOf(told)}: ${numberOf(told)} in a row with nothing new`, "");
    case "$loop.held":
      return say(`has a message to ${of("to")} held: ${numberOf(told)} in a row with nothing new`);
    case "$loop.released":
      return say("has its held message sent");
    case "$loop.dropped":
      return say("has its held message dropped");
    case "$session.joined": {
      const text = of("client") ? `joined with ${of("client")}` : "joined";
      return say(sessions > 1 ? `${text}, ${plural(sessions, "session")}` : text);
    }
    case "$session.left": {
      const text = of("reason") ? `left: ${of("reason")}` : "left";
      return say(sessions > 0 ? `${text}, ${plural(sessions, "session")} still here` : text);
    }
    case "$message.unanswered":
      return say(`has no answer from ${of("to")} in time`);
    case "$subscription.added":
      return say(`hears ${of("topic")}`);
    case "$subscription.removed":
      return say(`no longer hears ${of("topic")}`);
    default:
      return say(message.body || message.topic, ""); // from a newer hub; it says in words what it means
  }
}
