// How far a message has come with each of its recipients. The words are dashboard/conversation.py's; a test holds them together.

import { h } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

const html = htm.bind(h);

export const RUNGS = ["accepted", "pushed", "received", "read", "answered"]; // from below
export const UNKNOWN = "unknown"; // of an earlier moment: nobody can tell
export const READ = RUNGS.indexOf("read");
export const ANSWERED = RUNGS.indexOf("answered");

// Of all recipients together, [{name, state}]: the lowest rung (-1 where one of them never gets it), and words.
export function where(steps) {
  if (steps.length === 0) return { rung: 0, words: "nobody hears it" };
  const odd = steps.filter(({ state }) => !RUNGS.includes(state) && state !== UNKNOWN);
  if (odd.length > 0)
    return { rung: -1, words: steps.length === 1 ? odd[0].state : `${odd[0].state} for ${odd.length} of ${steps.length}` };
  const unknown = steps.filter(({ state }) => state === UNKNOWN).length;
  if (unknown > 0) return { rung: 0, words: unknown === steps.length ? UNKNOWN : `${UNKNOWN} for ${unknown} of ${steps.length}` };
  const rungs = steps.map(({ state }) => RUNGS.indexOf(state));
  const lowest = Math.min(...rungs);
  if (rungs.length === 1) return { rung: lowest, words: RUNGS[lowest] };
  const highest = Math.max(...rungs);
  const best = lowest < highest ? Math.min(highest, READ) : lowest;
  const number = rungs.filter((rung) => rung >= best).length;
  return { rung: lowest, words: `${RUNGS[best]} by ${number === rungs.length ? "all" : `${number} of`} ${rungs.length}` };
}

// Five marks of five shapes; those that are reached are drawn out.
export function Ladder({ at, late }) {
  const step = (rung) => `rung s${rung}${at.rung >= rung ? " on" : ""}`;
  return html`<span class=${late ? "where late" : "where"} data-rung=${at.rung}><svg class="ladder" viewBox="0 0 60 12" aria-hidden="true"
    ><circle class=${step(0)} cx="5" cy="6" r="2" /><path class=${step(1)} d="M15 2.5l4 3.5-4 3.5"
    /><rect class=${step(2)} x="26" y="3" width="6" height="6" /><circle class=${step(3)} cx="41" cy="6" r="3.5"
    /><path class=${step(4)} d="M56 2v4h-6m2.5-2.5L50 6l2.5 2.5" /></svg> <span class="word">${at.words}</span></span>`;
}
