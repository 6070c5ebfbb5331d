// A conversation for reading: whole messages one below the other. Only those in sight are drawn.

import { h } from "./vendor/preact.js";
import htm from "./vendor/htm.js";
import { Ladder, where } from "./ladder.js";
import { message, then } from "./links.js";
import { markdown } from "./markdown.js";
import { shown } from "./talk.js";
import { clock, instant, visible } from "./words.js";

const html = htm.bind(h);

export const GUESS = 96; // px of a message that has not been measured
const LONG = 20_000; // characters that are taken apart as Markdown; the rest is one link away

// `top` gives the height at which a row stands.
export function Reading({ talk, from, to, top, now, selected, late, thread }) {
  return talk.items
    .slice(from, to)
    .map(
      (item, place) =>
        html`<${Said} key=${item.offset} item=${item} steps=${talk.steps(item)} answers=${talk.byId.get(item.raw.reply_to)?.offset} top=${top(from + place)} now=${now} chosen=${item.offset === selected} late=${late(item)} place=${from + place} count=${talk.items.length} thread=${thread} />`,
    );
}

function Said({ item, steps, answers, top, now, chosen, late, place, count, thread }) {
  const entry = shown(item);
  return html`<article class=${["said", item.fresh && "fresh", chosen && "chosen"].filter(Boolean).join(" ")} id=${`m${item.offset}`} tabindex="-1" aria-posinset=${place + 1} aria-setsize=${count} aria-labelledby=${`w${item.offset}`} style=${{ transform: `translateY(${top}px)` }}
    ><p class="who" id=${`w${item.offset}`}><bdi class=${`name h${entry.sender_hue}`}>${entry.sender}</bdi> <span class="arrow" role="img" aria-label="to">→</span> <bdi class=${entry.to_kind === "name" ? `name h${entry.to_hue}` : "topic"}>${entry.to}</bdi> <a class="when" href=${then(message(entry.id, entry.offset))}><time datetime=${entry.sent}>${clock(instant(item.raw.at), now)}</time></a> <${Ladder} at=${where(steps)} late=${late}
    />${entry.reply_to && html` <span class="mark-reply">${answers ? html`answers <a href=${`#m${answers}`}>${answers}</a>` : "reply"}</span>`}${
      entry.thread && html` <a class="mark-thread" aria-label=${`thread ${entry.thread}`} href=${thread(item.raw.thread)}><bdi>${entry.thread}</bdi></a>`
    }${entry.files.map((file) => [" ", file.link ? html`<a class="mark-files" href=${file.link} download><bdi>${file.text}</bdi></a>` : html`<bdi class="mark-files">${file.text}</bdi>`])}</p
    ><div class="text" dir="auto">${body(item)}</div>${
      item.raw.body.length > LONG && html`<p class="cut"><a href=${then(message(entry.id, entry.offset))}>The whole message, ${entry.size}</a></p>`
    }${entry.data !== null && html`<pre class="data" tabindex="0" role="group" aria-label="Data">${entry.data}</pre>`}</article>`;
}

function body(item) {
  return (item.drawn ??= markdown(visible(item.raw.body.slice(0, LONG))));
}
