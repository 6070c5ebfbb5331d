// Takes over the page that the server drew, and keeps it true: messages as they come, tables when something changed.

import { h, hydrate, render } from "./vendor/preact.js";
import { Charts } from "./charts.js";
import { plainly } from "./clicks.js";
import { Frames, rest } from "./frame.js";
import { PARTS } from "./overview.js";
import { Refresh } from "./refresh.js";
import { Shell } from "./shell.js";
import { Messages } from "./store.js";
import { Stretch } from "./stretch.js";
import { Filter, entries, flow, nothing, older, overview } from "./view.js";
import { instant } from "./words.js";

const SNAPSHOT = "/api/v1/snapshot";
const HELD = "/api/v1/held";
const OLDER = 100; // messages a page
const NEAR_THE_END = 8; // px
const TROUBLED = 2_000; // ms between two looks at a hub that is not ready: what it gets over it says to nobody
const REST = 30_000; // ms after which the tables are fetched though nobody said anything: retention is silent

const root = document.getElementById("page");
const drawn = JSON.parse(document.getElementById("state").textContent);

const shell = new Shell(drawn);
const messages = new Messages(drawn.entries);
const stretch = new Stretch();
let snapshot = drawn.snapshot;
let chosen = Filter.of(location.search);
let skew = 0; // the hub's clock less this browser's
let above = false; // the reader is looking further up
let hasOlder = older(messages.held, snapshot);
let jumped = false;
let seen = {}; // the view that was drawn last, and of what it is

const now = () => Date.now() + skew;

function page(moment) {
  if (!above && stretch.many(performance.now())) stretch.cut(messages.held.filter((each) => chosen.shows(each)), innerHeight, inUse());
  const rows = flow(messages.held, chosen, moment, stretch.first);
  const fresh = messages.waiting.filter((each) => each.fact === null && chosen.shows(each)).length;
  return { view: viewAt(moment), rows, fresh, nothing: nothing(messages.held, chosen), older: hasOlder || stretch.first > 0, on };
}

// The tables are another view with each snapshot and filter, and with each second, since ages grow.
function viewAt(moment) {
  const second = Math.floor(moment / 1000);
  if (seen.snapshot !== snapshot || seen.chosen !== chosen || seen.second !== second)
    seen = { snapshot, chosen, second, view: overview(snapshot, chosen, moment) };
  return seen.view;
}

// The first message in which the reader has unfolded or marked something, or on which the focus is.
function inUse() {
  const { anchorNode, focusNode, isCollapsed } = getSelection();
  const marked = isCollapsed ? [] : [anchorNode, focusNode].map((node) => node.parentElement?.closest(".roll li"));
  const used = root.querySelector(".roll li:is(:focus-within, :has(details[open]))");
  return Math.min(...[used, ...marked].map((row) => (row ? Number(row.id.slice(1)) : Infinity)));
}

const frames = new Frames(() => {
  const props = page(now());
  document.title = props.view.title;
  for (const [part, place] of PARTS) render(h(part, props), place(root));
  if (above && stretch.first > 0) {
    stretch.grow(messages.held);
    frames.next();
  }
});

const draw = () => frames.soon();

const on = {
  chosen: () => chosen,
  jumped: () => jumped && !(jumped = false),
  choose(event) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    show(new Filter({ ...chosen, with_: form.get("with"), topic: form.get("topic") }).link());
  },
  scroll(event) {
    above = event.currentTarget.scrollTop < -NEAR_THE_END;
    if (above ? stretch.first === 0 : messages.waiting.length === 0) return;
    if (!above) messages.release();
    frames.next();
  },
  unfold: (offset) => messages.unfold(offset) && frames.paint(), // at once: what is inside is measured next
  newest() {
    above = false;
    jumped = true;
    messages.release();
    frames.next();
  },
  // Its first arrow is on the page before the button could say more.
  demo(event) {
    event.currentTarget.disabled = true;
    decide("POST", "/api/v1/demo", {});
  },
  release: (offset) => decide("POST", `${HELD}/${offset}/release`),
  drop: (offset) => decide("DELETE", `${HELD}/${offset}`),
  async older() {
    stretch.all();
    frames.next();
    if (!hasOlder) return;
    const query = new URLSearchParams({ limit: OLDER });
    if (messages.held.length > 0) query.set("before", messages.held[0].offset);
    if (chosen.with_) query.set("with", chosen.with_);
    if (chosen.topic) query.set("topic", chosen.topic);
    if (chosen.thread) query.set("thread", chosen.thread);
    const found = await ask(`/api/v1/messages?${query}`);
    if (!found) return;
    messages.prepend(entries(found.messages));
    hasOlder = found.more;
    draw();
  },
};

// The filter stands in the address: going back goes back, and a copied link shows the same.
function show(link) {
  history.pushState(null, "", link);
  filtered();
}

function filtered() {
  const before = JSON.stringify(chosen);
  chosen = Filter.of(location.search);
  if (JSON.stringify(chosen) === before) return;
  hasOlder = older(messages.held, snapshot);
  stretch.all();
  frames.next();
}

// JSON from the hub; null if it did not give any. A refusal ends the session, all else is the socket's to notice.
async function ask(path) {
  try {
    const answer = await fetch(path, { headers: { Accept: "application/json" }, cache: "no-store" });
    if (answer.status === 401) session.stop("signed out");
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

// What a person decides; whatever becomes of it, the tables show it.
async function decide(method, path, said) {
  try {
    const body = said && JSON.stringify(said);
    const answer = await fetch(path, { method, body, headers: { Accept: "application/json" }, cache: "no-store" });
    if (answer.status === 401) session.stop("signed out");
    else if (!answer.ok) console.info(`hubbub: ${(await answer.json()).message}`);
  } catch {
    // no hub answers: the page says so by itself
  }
  tables.now();
}

function take(found) {
  snapshot = found;
  skew = instant(found.at) - Date.now();
  shell.of(found);
  session.sawHead(found.hub.head);
  draw();
}

const tables = new Refresh(async () => {
  const found = await ask(`${SNAPSHOT}?recent=0`);
  if (found) take(found);
});

// Another numbering, or a place that no longer exists: what the page holds is of no use, so begin anew.
async function beginAnew() {
  const found = await ask(SNAPSHOT);
  if (!found) return tables.soon();
  messages.replace(entries(found.recent));
  hasOlder = older(messages.held, found);
  take(found);
}

addEventListener("popstate", filtered);
root.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='?']");
  if (!link || !plainly(event)) return;
  event.preventDefault();
  show(link.getAttribute("href"));
});

const props = page(instant(snapshot.at));
for (const [part, place] of PARTS) {
  await rest();
  hydrate(h(part, props), place(root));
}
document.documentElement.dataset.taken = "over"; // what comes after this is live
skew = instant(snapshot.at) - Date.now();
await rest();

const charts = new Charts(drawn.pulse, ask);
const session = shell.observe({
  resume: snapshot.hub.head,
  epoch: snapshot.hub.epoch,
  on: {
    welcome(frame, other) {
      if (other || frame.resumed === false) beginAnew();
      else tables.soon();
    },
    message(frame) {
      if (messages.add(frame, above, () => stretch.note(performance.now()))) draw();
      if (!frame.topic.startsWith("$")) charts.count(now());
      tables.soon();
    },
    gap(frame) {
      messages.addGap(frame, now(), above);
      draw();
    },
    status: () => tables.soon(),
  },
});

setInterval(draw, 1_000);
setInterval(() => session.state.kind === "live" && tables.soon(), REST);
setInterval(() => session.state.kind === "live" && (snapshot.hub.problems ?? []).length > 0 && tables.soon(), TROUBLED);
