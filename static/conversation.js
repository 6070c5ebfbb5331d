// Takes a conversation over from the table that the server drew, as a diagram or for reading, and keeps it true.
//
// The reader's place is a message and its distance from the upper edge, or the end. Whatever comes, is measured, is
// fetched or is let go of: that place is put back before the browser paints, so nothing jumps.

import { h, render } from "./vendor/preact.js";
import htm from "./vendor/htm.js";
import { asJson, asMarkdown, asMermaid } from "./copies.js";
import { Frames } from "./frame.js";
import { READ, where } from "./ladder.js";
import { Lanes, MOST_LANES, NARROWEST } from "./lanes.js";
import { then } from "./links.js";
import { Panel } from "./panel.js";
import { GUESS, Reading } from "./reading.js";
import { Refresh } from "./refresh.js";
import { Even, Uneven, inSight } from "./roll.js";
import { Heads, ROW, Sequence, lanesWidth } from "./sequence.js";
import { Shell } from "./shell.js";
import { FOLLOWED, MOST, Talk } from "./talk.js";
import { troubles } from "./troubles.js";
import { matches } from "./view.js";
import { TOO_LONG, instant, plural } from "./words.js";

const html = htm.bind(h);

const MESSAGES = "/api/v1/messages";
const OLDER = 500; // messages a page
const NEAR = 12; // px from the end at which the reader is at it
const SPARE = 240; // px drawn above and below what is in sight
const AHEAD = 2; // heights of the window from the top at which older ones are fetched
const MARGIN = 26; // px above the first message
const TROUBLED = 2_000; // ms between two looks at how the hub is: what it gets over it says to nobody
const REST = 5_000; // ms between two drawings though nothing came: what waits too long turns amber

const drawn = JSON.parse(document.getElementById("state").textContent);
const past = drawn.past; // an earlier moment: static/time.js fetches others, and nothing comes by itself
const shell = past ? null : new Shell(drawn);
const stage = document.querySelector(".stage");
const query = new URLSearchParams(location.search);
const place = {
  names: [...new Set((query.get("with") ?? "").split(",").map((each) => each.trim()).filter(Boolean))].slice(0, 2),
  topic: (query.get("topic") ?? "").trim().replace(/^#/, "").toLowerCase(),
  thread: (query.get("thread") ?? "").trim(),
};
const reading = query.get("view") === "read";
const earlier = query.has("before"); // an earlier stretch: what is said now is not on this page

const talk = new Talk(drawn.talk);
const rows = reading ? new Uneven(GUESS) : new Even(ROW);
rows.push(talk.items.length);
const skew = instant(drawn.at) - Date.now();
let moment = instant(drawn.at);
const now = () => (past ? moment : Date.now() + skew);

let lanes = null;
let width = 0;
let here = { end: true }; // or {offset, away}: the message at the upper edge, and how far below its top that edge is
let placed = 0; // where the page itself has scrolled to: what the browser tells of that later is no wish of the reader's
let below = 0; // messages that came while the reader looked further up
let over = 0; // those of them that there was no room for
let selected = null;
let open = false;
let more = null; // what the hub knows of the message in the panel
let loading = false;

// Drawing

const frames = new Frames(paint);
const draw = () => frames.next(); // for what a person did
const follow = () => frames.soon(); // for what was said

function paint() {
  const height = stage.querySelector(".rows")?.clientHeight || stage.clientHeight;
  measureWidth();
  for (let tries = 0; tries < 4; tries += 1) {
    const top = restingTop(height);
    const sight = inSight(rows, top - MARGIN, height, SPARE);
    render(page(sight), stage);
    settle(top);
    if (reading ? !measured(sight) : !measureWidth()) break;
  }
  if (placed < AHEAD * height) older();
  for (const item of talk.items.slice(-100)) if (item.fresh && item.drawnAt && now() - item.drawnAt > 1_000) item.fresh = false;
}

// What somebody is called now.
const called = (name) => talk.party(name)?.name ?? name;

// Says whether there is more or less room for the lanes than there was.
function measureWidth() {
  const found = (stage.querySelector(".rows") ?? stage).clientWidth;
  if (reading || found === width) return false;
  width = found;
  const most = Math.max(2, Math.min(MOST_LANES, Math.floor(lanesWidth(width) / NARROWEST)));
  if (lanes?.most === most) return true;
  lanes = Lanes.for(talk.items.map((item) => ({ from: item.sender, to: item.base.map(({ name }) => name) })), place.names.map(called), most);
  for (const item of talk.items) lanes.note(item.sender, item.raw.from);
  return true;
}

// Where the reader's place is now.
function restingTop(height) {
  if (here.end) return Math.max(0, rows.total + MARGIN - height);
  const at = placeOf(here.offset);
  return Math.max(0, rows.top(at) + MARGIN + here.away);
}

function settle(top) {
  const roll = stage.querySelector(".rows");
  const wanted = here.end ? roll.scrollHeight - roll.clientHeight : top;
  if (Math.abs(roll.scrollTop - wanted) >= 1) roll.scrollTop = wanted;
  placed = roll.scrollTop;
}

function placeOf(offset) {
  let low = 0;
  let high = talk.items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (talk.items[middle].offset < offset) low = middle + 1;
    else high = middle;
  }
  return Math.min(low, talk.items.length - 1);
}

// The real heights of the rows in sight; says whether any is not what it was thought to be.
function measured({ from, to }) {
  let changed = false;
  for (let at = from; at < to; at += 1) {
    const element = document.getElementById(`m${talk.items[at].offset}`);
    if (element) changed = rows.measure(at, element.offsetHeight) || changed;
  }
  return changed;
}

function page(sight) {
  const moment = now();
  const late = (item) => moment - instant(item.raw.at) >= TOO_LONG && unread(item);
  const chosen = open && selected !== null ? talk.items[placeOf(selected)] : null;
  const props = { talk, ...sight, now: moment, selected, late, thread };
  const active = selected !== null && sight.from <= placeOf(selected) && placeOf(selected) < sight.to ? `m${selected}` : undefined;
  return html`<div class=${chosen ? "live-talk open" : "live-talk"}
    >${!reading && html`<${Heads} lanes=${lanes} width=${width} />`}<div class="rows" key="rows" data-roll tabindex="0" role=${reading ? "feed" : "listbox"} aria-label="Messages, the newest last" aria-activedescendant=${reading ? undefined : active} aria-busy=${loading ? "true" : undefined} onScroll=${scrolled} onKeyDown=${pressed}
      ><p class="edge" role="presentation">${edge()}</p><div class="roll" role="presentation" style=${{ height: `${rows.total}px` }}>${
        reading ? html`<${Reading} ...${props} top=${(at) => rows.top(at)} />` : html`<${Sequence} ...${props} lanes=${lanes} width=${width} pick=${pick} />`
      }</div></div>${below > 0 && html`<button class="pill" type="button" onClick=${newest}>${plural(below, "new message")} below</button>`}${
        chosen && html`<${Panel} item=${chosen} more=${more?.message.offset === chosen.offset ? more : null} steps=${talk.steps(chosen)} now=${moment} thread=${thread} on=${{ close }} />`
      }</div>`;
}

function unread(item) {
  const { rung } = where(talk.steps(item));
  return rung >= 0 && rung < READ && item.base.length > 0;
}

function edge() {
  if (past && talk.items.length === 0) return "Nothing of this had been said by then";
  if (loading) return "Older messages are on their way";
  if (talk.items.length >= MOST && talk.more)
    return html`This page holds no more than ${plural(MOST, "message")}. <a href=${link({ before: String(talk.items[0].offset) })}>Older ones</a>`;
  return talk.more ? "" : "Here begins what is kept";
}

function link(change) {
  const made = new URLSearchParams(query);
  for (const [key, value] of Object.entries(change)) value === null ? made.delete(key) : made.set(key, value);
  return `/conversation?${made}`;
}

const thread = (name) => then(`/conversation?${new URLSearchParams({ thread: name, ...(reading && { view: "read" }) })}`);

// The reader's place

function scrolled(event) {
  const roll = event.currentTarget;
  const top = roll.scrollTop;
  if (Math.abs(top - placed) < 1) return;
  if (top + roll.clientHeight >= roll.scrollHeight - NEAR) {
    if (over > 0) return void newest();
    here = { end: true };
    below = 0;
  } else if (talk.items.length > 0) {
    const at = rows.at(Math.max(0, top - MARGIN));
    here = { end: false, offset: talk.items[at].offset, away: top - MARGIN - rows.top(at) };
  }
  draw();
}

function newest() {
  if (earlier) return location.assign(link({ before: null }));
  below = 0;
  here = { end: true };
  if (over > 0) beginAnew();
  draw();
}

async function older() {
  if (loading || !talk.more || talk.items.length === 0 || talk.items.length >= MOST) return;
  loading = true;
  draw();
  const found = await ask(`${MESSAGES}?${wanted({ limit: OLDER, before: talk.items[0].offset })}`);
  loading = false;
  if (found) {
    if (here.end) trimmed(FOLLOWED);
    rows.unshift(talk.prepend(found));
    if (lanes) meet(found.messages.map(({ offset }) => talk.items[placeOf(offset)]));
  }
  draw();
}

// Choosing a message

function pick(offset) {
  selected = offset;
  openPanel();
}

function openPanel() {
  open = true;
  look();
  draw();
}

function close() {
  open = false;
  stage.querySelector(".rows").focus({ preventScroll: true });
  draw();
}

async function look() {
  const item = talk.items[placeOf(selected)];
  const found = await ask(then(`${MESSAGES}/${encodeURIComponent(item.raw.id)}`));
  if (!found || selected !== item.offset) return;
  more = found;
  draw();
}

const STEPS = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, Home: -Infinity, End: Infinity };

function pressed(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target !== event.currentTarget) return;
  if (event.key in STEPS && talk.items.length > 0) step(STEPS[event.key]);
  else if (event.key === "Enter" && selected !== null && !reading) openPanel();
  else if (event.key === "Escape" && open) close();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function step(by) {
  const last = talk.items.length - 1;
  const roll = stage.querySelector(".rows");
  const seen = rows.at(Math.max(0, roll.scrollTop + roll.clientHeight - MARGIN - ROW));
  const at = selected === null ? Math.min(last, seen) : Math.max(0, Math.min(last, placeOf(selected) + by));
  selected = talk.items[at].offset;
  history.replaceState(null, "", `#m${selected}`);
  reveal(at);
  if (open) look();
  draw();
}

function reveal(at) {
  const roll = stage.querySelector(".rows");
  const top = rows.top(at) + MARGIN;
  const bottom = at + 1 < rows.length ? rows.top(at + 1) + MARGIN : rows.total + MARGIN;
  if (top < roll.scrollTop) roll.scrollTop = top;
  else if (bottom > roll.scrollTop + roll.clientHeight) roll.scrollTop = bottom - roll.clientHeight;
}

// What the hub says

function wanted(also) {
  const asked = new URLSearchParams({ ladder: "1", ...also });
  if (place.names.length > 0) asked.set("with", place.names.join(","));
  if (place.topic) asked.set("topic", place.topic);
  if (place.thread) asked.set("thread", place.thread);
  if (past) asked.set("at", new URLSearchParams(location.search).get("at"));
  return asked;
}

// Whether a message belongs to this conversation; the hub asks the same of its log.
function belongs({ from, to, topic, thread: its }) {
  if (topic.startsWith("$")) return false;
  if (place.thread && its !== place.thread) return false;
  if (place.topic && !matches(place.topic, topic)) return false;
  const names = place.names.map((name) => called(name).toLowerCase());
  const sender = from.toLowerCase();
  const addressed = called(topic.startsWith("inbox.") ? topic.slice("inbox.".length) : to).toLowerCase();
  const heardBy = (name) => addressed === name || (!topic.startsWith("inbox.") && hears(name, topic));
  if (names.length === 1) return sender === names[0] || heardBy(names[0]);
  return names.length === 0 || (names.includes(sender) && names.every((name) => name === sender || heardBy(name)));
}

function hears(name, topic) {
  const party = talk.party(name);
  return Boolean(party) && (topic === "all" || party.topics.some((each) => matches(each, topic)));
}

function meet(items) {
  for (const item of items) {
    for (const name of [item.sender, ...item.base.map((each) => each.name)]) lanes.of(name);
    lanes.note(item.sender, item.raw.from);
  }
}

function trimmed(most) {
  const gone = talk.trim(most);
  rows.shift(gone);
  if (selected !== null && talk.items.length > 0 && selected < talk.items[0].offset) {
    selected = null;
    open = false;
  }
}

function take(frame) {
  if (frame.topic.startsWith("$")) return fact(frame);
  if (!belongs(frame)) return void talk.answer(frame);
  if (frame.offset <= talk.newest) return;
  if (!here.end) below += 1;
  else if (talk.items.length > FOLLOWED + OLDER) trimmed(FOLLOWED);
  if (earlier || talk.items.length >= MOST) {
    over += 1;
    return follow();
  }
  const item = talk.add(frame);
  rows.push(1);
  item.drawnAt = now();
  if (lanes) meet([item]);
  follow();
}

function fact({ topic, data, reply_to }) {
  switch (topic) {
    case "$cursors":
      talk.move(data.moved);
      return follow();
    case "$message.expired":
      talk.expire(reply_to);
      return follow();
    case "$instance.registered":
      return talk.hear(data.name, null, true);
    case "$subscription.added":
    case "$subscription.removed":
      return talk.hear(data.name, data.topic, topic === "$subscription.added");
    case "$instance.renamed":
      talk.rename(data.old, data.name);
      lanes?.rename(data.old, data.name);
      return beginAnew(); // who is who has changed, in what was said before too
  }
}

// Another numbering, or more than this page holds: what it has is of no use.
async function beginAnew() {
  if (earlier) return;
  const found = await ask(`${MESSAGES}?${wanted({ limit: OLDER })}`);
  if (!found) return;
  rows.shift(rows.length);
  talk.replace(found);
  rows.push(talk.items.length);
  below = 0;
  over = 0;
  here = { end: true };
  if (lanes) meet(talk.items);
  draw();
}

// The page shows another moment: what was said by then, with the reader's place and the lanes that are there.
function turnTo(told) {
  moment = instant(told.at);
  rows.shift(rows.length);
  talk.turnTo(told.talk);
  rows.push(talk.items.length);
  below = 0;
  over = 0;
  if (selected !== null && talk.items[placeOf(selected)]?.offset !== selected) {
    selected = null;
    open = false;
  } else if (open) look();
  if (!here.end && talk.items.length === 0) here = { end: true };
  if (lanes) meet(talk.items);
  draw();
}

async function ask(path) {
  try {
    const answer = await fetch(path, { headers: { Accept: "application/json" }, cache: "no-store" });
    if (answer.status === 401) session?.stop("signed out");
    return answer.ok ? await answer.json() : null;
  } catch {
    return null; // no hub answers: the page says so by itself
  }
}

// Copying

const COPIES = {
  Link: () => location.href,
  Markdown: () => asMarkdown(document.querySelector("h1").textContent, talk.items.map((item) => item.raw)),
  Mermaid: () => asMermaid(talk.items.map((item) => item.raw)),
  JSON: () => asJson(talk.items.map((item) => item.raw)),
};

async function copy(kind) {
  const said = document.querySelector(".copy .done");
  try {
    await navigator.clipboard.writeText(COPIES[kind]());
    said.textContent = kind === "Link" ? "The link is copied." : `${plural(talk.items.length, "message")} copied as ${kind}.`;
  } catch {
    said.textContent = "This browser lets no page copy here."; // an insecure address, or refused
  }
}

function copyMenu() {
  const menu = document.querySelector(".copy");
  const list = document.createElement("div");
  menu.dataset.own = "";
  menu.append(list);
  render(
    html`${Object.keys(COPIES).map((kind) => html`<button type="button" onClick=${() => copy(kind)}>${kind}</button>`)}<p class="done" role="status"></p>`,
    list,
  );
}

// Beginning

const session = past ? null : watch();
const health = new Refresh(async () => session?.ask(), TROUBLED); // what the hub answers comes as `status`
let troubled = !past && document.querySelector(".troubles .problem") !== null;

function watch() {
  return shell.observe({
    resume: drawn.talk.head,
    epoch: drawn.hub.epoch,
    on: {
      welcome(frame, other) {
        shell.of({ at: new Date(now()).toISOString(), hub: { version: frame.version } });
        if (other || frame.resumed === false) beginAnew();
        health.soon();
      },
      message(frame) {
        take(frame);
        health.soon();
      },
      gap: beginAnew,
      status({ problems = [] }) {
        troubled = problems.length > 0;
        troubles(problems);
      },
    },
  });
}

async function goTo(offset) {
  while (talk.more && talk.items[0]?.offset > offset && talk.items.length < MOST) {
    const before = talk.items[0].offset;
    here = { end: false, offset: before, away: 0 };
    await older();
    if (talk.items[0].offset === before) return; // no hub answers
  }
  const at = placeOf(offset);
  if (talk.items[at]?.offset !== offset) return;
  selected = offset;
  here = { end: false, offset, away: -stage.clientHeight / 3 };
  draw();
}

function anchored() {
  const found = /^#m(\d+)$/.exec(location.hash);
  if (found) goTo(Number(found[1]));
}

copyMenu();
if (earlier) {
  here = { end: false, offset: talk.items[0]?.offset ?? 0, away: 0 };
}
if (past || talk.items.length > 0 || !stage.querySelector(".nothing")) {
  stage.dataset.own = ""; // when the page is morphed, this stays as it is
  stage.replaceChildren();
  paint();
}
document.documentElement.dataset.taken = "over"; // what comes after this is live
anchored();
stage.addEventListener("hubbub:step", (event) => talk.items.length > 0 && step(event.detail));
addEventListener("hashchange", anchored);
addEventListener("resize", draw);
document.addEventListener("visibilitychange", draw);
if (!past) setInterval(draw, REST);
setInterval(() => troubled && session.state.kind === "live" && health.soon(), TROUBLED);
document.addEventListener("hubbub:fresh", ({ detail }) => detail.talk && turnTo(detail));
