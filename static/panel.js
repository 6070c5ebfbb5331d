// One message beside the diagram: its body, where it is for each recipient and since when.

import { h } from "./vendor/preact.js";
import htm from "./vendor/htm.js";
import { message, moment, then } from "./links.js";
import { shown } from "./talk.js";
import { clock, instant, visible } from "./words.js";

const html = htm.bind(h);

// `more` is what GET /api/v1/messages/ID gave, null until it did.
export function Panel({ item, more, now, thread, steps, on }) {
  const entry = shown(item);
  return html`<aside class="panel" aria-labelledby="panel-title"
    ><div class="top"><h2 id="panel-title"><bdi class=${`name h${entry.sender_hue}`}>${entry.sender}</bdi>${item.sender !== item.raw.from && html` <span class="now">(now <bdi>${visible(item.sender)}</bdi>)</span>`} <span class="arrow" role="img" aria-label="to">→</span> <bdi class=${entry.to_kind === "name" ? `name h${entry.to_hue}` : "topic"}>${entry.to}</bdi></h2><button type="button" onClick=${on.close} aria-label="Close this message">✕</button></div
    ><pre class="body" dir="auto">${entry.body || "(no text)"}</pre>${
      !entry.whole && html`<p class="cut"><a href=${then(message(entry.id, entry.offset))}>The whole message, ${entry.size}</a></p>`
    }${entry.data !== null && html`<pre class="data" tabindex="0" role="group" aria-label="Data">${entry.data}</pre>`}${
      entry.files.length > 0 && html`<ul class="files">${entry.files.map((file) => html`<li>${file.link ? html`<a href=${file.link} download><bdi>${file.text}</bdi></a>` : html`<bdi>${file.text}</bdi>`}</li>`)}</ul>`
    }<table class="climb"><caption class="unseen">How far it has come</caption><tbody>${(more?.ladder ?? steps).map(
      (step) => html`<tr key=${step.name}><th scope="row"><bdi>${visible(step.name)}</bdi></th><td>${times(step, now)}</td></tr>`,
    )}</tbody></table
    ><dl class="about"><div><dt>sent</dt><dd>${entry.sent}</dd></div>${
      entry.thread && html`<div><dt>thread</dt><dd><a href=${thread(item.raw.thread)}>${entry.thread}</a></dd></div>`
    }<div><dt>offset</dt><dd><a href=${then(message(entry.id, entry.offset))}>${entry.offset}</a></dd></div><div><dt>size</dt><dd>${entry.size}</dd></div></dl>${
      !moment() && html`<p class="reply"><a data-form="" href=${`${message(entry.id, entry.offset)}#answer`} aria-label=${`Answer ${entry.sender} as a person`}>Answer</a></p>`
    }</aside>`;
}

// Each rung with its time; a time that the log no longer shows is not known, and is not made up.
function times({ state, times: at }, now) {
  if (!at) return state;
  return Object.entries(at)
    .map(([rung, reached]) => `${rung} ${reached ? clock(instant(reached), now) : "at an unknown time"}`)
    .join(" · ");
}
