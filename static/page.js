// Keeps a page true that only the server draws: when something was said, the page is fetched anew and morphed into what
// stands, so that focus, scroll, what is selected, unfolded or half typed stays. A page's own script may listen for
// `hubbub:fresh` on the document, which comes after each time.

import { Refresh } from "./refresh.js";
import { Shell } from "./shell.js";
import { grow } from "./morph.js";

const REST = 30_000; // ms after which the page is fetched though nobody said anything: ages grow, retention is silent

const drawn = JSON.parse(document.getElementById("state").textContent);
const shell = new Shell(drawn);

const refresh = new Refresh(async () => {
  const html = await fetched();
  if (html === null) return;
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const state = fresh.getElementById("state");
  if (!state) return; // a notice, or another's page: the socket will say what is wrong
  grow(document.getElementById("page"), fresh.getElementById("page"));
  document.title = fresh.title;
  const told = JSON.parse(state.textContent);
  shell.of(told);
  session.sawHead(told.hub.head);
  document.dispatchEvent(new CustomEvent("hubbub:fresh", { detail: told }));
});

const soon = () => refresh.soon();

const session = shell.observe({
  resume: drawn.hub.head,
  epoch: drawn.hub.epoch,
  on: { welcome: soon, message: soon, gap: soon, status: soon },
});

async function fetched() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (answer.status === 401) session.stop("signed out");
    return answer.status === 401 ? null : await answer.text();
  } catch {
    return null; // no hub answers: the page says so by itself
  }
}

document.documentElement.dataset.taken = "over"; // what comes after this is live
setInterval(() => session.state.kind === "live" && soon(), REST);
