// The scrubber: asks the hub for the same page of another moment and morphs it in. A step, a bar, the slider and the clock
// that plays all lead to an address, and what the address shows is the hub's answer: nothing is reckoned here. A page's own
// script may listen for `hubbub:fresh` on the document, which comes after each time.

import { plainly } from "./clicks.js";
import { grow } from "./morph.js";
import { Shell } from "./shell.js";

const AGAIN = 2_000; // ms after which a hub that did not answer is asked again
const TICK = 250; // ms between two moments while it plays, at least

const page = document.getElementById("page");
const drawn = JSON.parse(document.getElementById("state").textContent);
const shell = new Shell(drawn);

let asked = null; // the address that was asked for last
let busy = false;
let again = null; // runs out when a hub that did not answer is asked again
let playing = null; // { at, since }: the moment it played from, and when that was

const scrubber = () => page.querySelector(".scrubber");
const isNow = () => scrubber().classList.contains("now");
const found = (selector) => page.querySelector(selector);

// One question at a time, and of those that came meanwhile only the last.
async function show(address, { remember = true } = {}) {
  asked = address;
  clearTimeout(again);
  if (remember) history.replaceState(null, "", address);
  if (busy) return;
  busy = true;
  try {
    while (asked !== null) {
      const wanted = asked;
      asked = null;
      await turnTo(wanted);
    }
  } finally {
    busy = false;
  }
}

async function turnTo(address) {
  let html;
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (answer.status === 401) return location.reload(); // the locked page says what to do
    html = await answer.text();
  } catch {
    stop();
    shell.answers(false);
    again = setTimeout(() => show(address, { remember: false }), AGAIN);
    return;
  }
  shell.answers(true);
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const state = fresh.getElementById("state");
  if (!state) return;
  if (scripts(fresh) !== scripts(document)) return location.replace(address); // a page that draws itself by other means
  const speed = found("#speed").value;
  const sliding = document.activeElement === found(".slide") ? found(".slide").value : null;
  grow(page, fresh.getElementById("page"));
  // What stands around the page leads to the same moment too.
  for (const part of [".mark", ".places"]) grow(document.querySelector(part), fresh.querySelector(part));
  found("#speed").value = speed;
  if (sliding !== null) found(".slide").value = sliding;
  document.title = fresh.title;
  const told = JSON.parse(state.textContent);
  shell.of(told);
  drawPlay();
  document.dispatchEvent(new CustomEvent("hubbub:fresh", { detail: told }));
}

const scripts = (page) => Array.from(page.scripts, (each) => each.getAttribute("src")).join(" ");

// The address of a moment, with all else that the present one says but where in a list it is.
function addressOf(at) {
  const query = new URLSearchParams(location.search);
  query.delete("before");
  query.set("at", at);
  return `${found(".goto").getAttribute("action")}?${query}`;
}

const live = () => found("a.live-again").href;

// Playing

function play() {
  if (isNow()) return;
  playing = { at: Date.parse(scrubber().dataset.at), since: performance.now() };
  drawPlay();
  tick();
}

function stop() {
  playing = null;
  drawPlay();
}

function tick() {
  if (!playing) return;
  const times = Number(found("#speed").value);
  const now = performance.now();
  playing.at += (now - playing.since) * times;
  playing.since = now;
  if (playing.at >= Number(scrubber().dataset.ends)) {
    stop();
    location.assign(live());
    return;
  }
  if (!busy) show(addressOf(new Date(playing.at).toISOString()));
  setTimeout(tick, TICK);
}

function drawPlay() {
  const button = found(".play");
  button.textContent = playing ? "pause" : "play";
  button.setAttribute("aria-pressed", String(playing !== null));
  button.disabled = isNow();
}

// Sliding and stepping

page.addEventListener("input", (event) => {
  if (!event.target.matches(".slide")) return;
  stop();
  const { begins, ends } = scrubber().dataset;
  const share = Number(event.target.value) / 1000;
  const at = Number(begins) + share * (Number(ends) - Number(begins));
  if (share < 1) show(addressOf(new Date(at).toISOString()));
  else location.assign(live());
});

page.addEventListener("click", (event) => {
  if (event.target.closest(".play")) return playing ? stop() : play();
  const link = event.target.closest(".scrubber a:not([data-now])");
  if (!link || !plainly(event)) return;
  event.preventDefault();
  stop();
  history.pushState(null, "", link.getAttribute("href"));
  show(link.getAttribute("href"), { remember: false });
});

addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, select, textarea")) return;
  const step = { "[": ".previous", "]": ".next" }[event.key];
  if (step) found(`a${step}`)?.click();
  else if (event.key === " " && !event.target.closest("button, a, summary, [tabindex]")) {
    event.preventDefault();
    if (playing) stop();
    else play();
  }
});

addEventListener("popstate", () => {
  stop();
  show(location.pathname + location.search, { remember: false });
});

drawPlay();
document.documentElement.dataset.taken = "over"; // what comes after this is live
