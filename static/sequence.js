// A conversation as a sequence diagram: lanes for agents, time downwards, an arrow a message. Only the rows in sight are
// drawn; each is an option of a list box and says in words what its picture shows.

import { h } from "./vendor/preact.js";
import htm from "./vendor/htm.js";
import { Ladder, RUNGS, where } from "./ladder.js";
import { shown } from "./talk.js";
import { clock, hue, instant, visible } from "./words.js";

const html = htm.bind(h);

export const ROW = 38; // px
const LINE = 26; // px from a row's top to its arrow
const HEAD = 7;
const LABEL = 150; // px that a message's words have at least
const STUB = 34; // px of an arrow that reaches nobody

export const WHEN = 74; // px of the column of times
export const NARROW = 560; // px below which there is no room for a column of times, nor for the ladder's words
export const ladderWidth = (width) => (width < NARROW ? 72 : 208);
export const lanesBegin = (width) => (width < NARROW ? 8 : WHEN);
export const lanesWidth = (width) => Math.max(120, width - lanesBegin(width) - ladderWidth(width));

// `from` up to `to` are the places of the rows to draw; `late` says whether a message waits too long.
export function Sequence({ talk, lanes, from, to, width, now, selected, late, pick }) {
  const area = lanesWidth(width);
  const x = (lane) => ((lane + 0.5) * area) / Math.max(1, lanes.size);
  const rows = talk.items.slice(from, to);
  const kin = selected === null ? new Set() : relatives(talk, selected);
  return html`<${Lines} talk=${talk} lanes=${lanes} x=${x} from=${from} to=${to} area=${area} left=${lanesBegin(width)} kin=${kin}
    />${rows.map(
      (item, place) => html`<${Row} key=${item.offset} item=${item} steps=${talk.steps(item)} top=${(from + place) * ROW} x=${x} lanes=${lanes} area=${area} left=${lanesBegin(width)} now=${now} chosen=${item.offset === selected} kin=${kin.has(item)} late=${late(item)} place=${from + place} count=${talk.items.length} pick=${pick} />`,
    )}`;
}

// The names over the lanes.
export const Heads = ({ lanes, width }) => {
  const area = lanesWidth(width);
  const step = area / Math.max(1, lanes.size);
  const style = (lane) => ({ left: `${lanesBegin(width) + lane * step}px`, width: `${step}px` });
  return html`<div class="heads" aria-hidden="true">${lanes.names.map(
    (name, lane) => html`<span class="head" key=${name} style=${style(lane)}><bdi class=${`name h${hue(visible(name))}`} title=${[visible(name), was(lanes, name)].filter(Boolean).join(", ")}>${visible(name)}</bdi>${was(lanes, name) && html` <small>${was(lanes, name)}</small>`}</span>`,
  )}${lanes.folded.size > 0 && html`<span class="head others" key="" style=${style(lanes.names.length)} title=${[...lanes.folded.values()].map(visible).join(", ")}>${lanes.folded.size} more</span>`}</div>`;
};

// Under which names an agent has spoken here beside the one it has now.
function was(lanes, name) {
  const names = lanes.formerly(name);
  return names.length > 0 ? `was ${names.map(visible).join(", ")}` : "";
}

// What a message answers, and what answers it.
function relatives(talk, offset) {
  return new Set(talk.joins.filter((pair) => pair.some((each) => each.offset === offset)).flat());
}

// Behind the rows: the lanes, and on each a bar from where a message came in to where it was answered.
function Lines({ talk, lanes, x, from, to, area, left, kin }) {
  const first = talk.items[from]?.offset ?? 0;
  const last = talk.items[to - 1]?.offset ?? 0;
  const place = new Map(talk.items.slice(from, to).map((item, at) => [item, at]));
  const height = (to - from) * ROW;
  const y = (item) => (place.has(item) ? place.get(item) * ROW + LINE : item.offset < first ? 0 : height);
  const bars = talk.joins.filter(([said, answer]) => said.offset <= last && answer.offset >= first);
  const style = { transform: `translate(${left}px, ${from * ROW}px)` };
  return html`<svg class="lines" width=${area} height=${height} style=${style} aria-hidden="true">${Array.from(
    { length: lanes.size },
    (_, lane) => html`<line key=${`l${lane}`} x1=${x(lane)} x2=${x(lane)} y1="0" y2=${height} />`,
  )}</svg><svg class="bars" width=${area} height=${height} style=${style} aria-hidden="true">${bars.map(
    ([said, answer]) => html`<rect key=${`${said.offset}-${answer.offset}`} class=${`between h${hue(visible(answer.sender))}${kin.has(answer) && kin.has(said) ? " kin" : ""}`} x=${x(lanes.of(answer.sender)) - 3} y=${y(said)} width="6" height=${Math.max(1, y(answer) - y(said))} />`,
  )}</svg>`;
}

function Row({ item, steps, top, x, lanes, area, left, now, chosen, kin, late, place, count, pick }) {
  const entry = shown(item);
  const at = where(steps);
  const start = x(lanes.of(item.sender));
  const ends = [...new Map(steps.map((step) => [lanes.of(step.name), step.state]))].map(([lane, state]) => [x(lane), state]);
  // Beside its arrow's left end, but never so far to the right that nothing can be read of it.
  const label = Math.max(0, Math.min(start, ...ends.map(([end]) => end), area - LABEL)) + 7;
  const time = clock(instant(item.raw.at), now);
  const said = entry.preview.split("\n", 1)[0];
  const to = entry.to_kind === "name" ? "" : entry.to;
  const sender = item.sender === item.raw.from ? entry.sender : `${visible(item.sender)}, then called ${entry.sender},`;
  const words = `${time}, ${sender} to ${entry.to}${entry.reply_to ? ", a reply" : ""}: ${said}. ${at.words}${late ? ", waits too long" : ""}`;
  return html`<div class=${["row", item.fresh && "fresh", chosen && "chosen", kin && "kin"].filter(Boolean).join(" ")} id=${`m${item.offset}`} role="option" aria-selected=${chosen} aria-setsize=${count} aria-posinset=${place + 1} aria-label=${words} style=${{ transform: `translateY(${top}px)` }} onClick=${() => pick(item.offset)}
    ><time>${time}</time><bdi class="said" style=${{ left: `${left + label}px`, maxWidth: `${area - label}px` }}>${to && html`<span class="topic">${to}</span>`}${to && " "}${said || "(no text)"}</bdi
    ><svg class=${`ways name h${hue(visible(item.sender))}`} width=${area} height=${ROW} style=${{ left: `${left}px` }}>${
      ends.length === 0 ? nobody(start, area) : [-1, 1].map((way) => side(start, ends.filter(([end]) => Math.sign(end - start) === way), way))
    }${
      ends.filter(([end]) => end === start).map(([, state]) => loop(start, area, state))
    }<circle class="start" cx=${start} cy=${LINE} r="2.5" /></svg><${Ladder} at=${at} late=${late} /></div>`;
}

const rungOf = (state) => Math.max(0, RUNGS.indexOf(state));

// The line says how far it has come too: dotted, dashed, whole; an open head until it is read, then a full one. One line
// goes to all on the same side; it looks as it does for the best of those who are still to come.
function side(start, ends, way) {
  const ordered = ends.sort(([one], [other]) => way * (one - other));
  return ordered.map(([end, state], place) => {
    const rung = Math.max(...ordered.slice(place).map((each) => rungOf(each[1])));
    const begin = place === 0 ? start : ordered[place - 1][0];
    return html`<g class="way" key=${end}><path class=${`line r${rung}${lost(state)}`} d=${`M${begin} ${LINE}H${end - way * HEAD}`} /><path class=${`tip r${rungOf(state)}${lost(state)}`} d=${`M${end - way * HEAD} ${LINE - 4}L${end - way} ${LINE}L${end - way * HEAD} ${LINE + 4}Z`} /></g>`;
  });
}

const lost = (state) => (RUNGS.includes(state) ? "" : " lost");

// To oneself, or within the shared lane.
function loop(start, area, state) {
  const way = start > area - 30 ? -1 : 1;
  const out = start + way * 20;
  return html`<g class="way" key=${start}><path class=${`line r${rungOf(state)}`} d=${`M${start} ${LINE - 5}H${out}V${LINE + 5}H${start + way * HEAD}`} /><path class=${`tip r${rungOf(state)}`} d=${`M${start + way * HEAD} ${LINE + 1}L${start + way} ${LINE + 5}L${start + way * HEAD} ${LINE + 9}Z`} /></g>`;
}

function nobody(start, area) {
  const way = start > area - STUB - 8 ? -1 : 1;
  const end = start + way * STUB;
  return html`<g class="way" key="nobody"><path class="line r0 lost" d=${`M${start} ${LINE}H${end - way * 4}`} /><circle class="tip lost" cx=${end} cy=${LINE} r="3.5" /></g>`;
}
