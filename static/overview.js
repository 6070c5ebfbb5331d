// The first page's elements, the same as templates/parts.html and overview.html draw: the browser takes over from there
// without a change. An element's text is one run, as it is in the server's HTML.

import { Component, h } from "./vendor/preact.js";
import htm from "./vendor/htm.js";
import { plural } from "./words.js";

// What is not there is "", null or false alike; an empty string would be a run of text of its own.
const html = htm.bind((type, props, ...children) => h(type, props, ...children.map((each) => (each === "" ? null : each))));

// What keeps its place in an element that another part of the page has drawn: nothing here touches what is inside.
const KEPT = { __html: "" };

// What is drawn anew only for another view.
const ofView = (part) =>
  class extends Component {
    shouldComponentUpdate({ view }) {
      return view !== this.props.view;
    }

    render(props) {
      return part(props);
    }
  };

const Page = ofView(({ view, on }) => [
  html`<${Troubles} view=${view} />`,
  html`<${HeldBack} view=${view} on=${on} />`,
  html`<main class=${view.empty ? "overview empty" : "overview"}><h2 class="unseen">Totals</h2><dl class="totals">${view.totals.map(
    (each) => html`<${Total} key=${each.label} each=${each} />`,
  )}</dl><${Jump} view=${view} /><div class="stock" dangerouslySetInnerHTML=${KEPT}></div><section class="flow" aria-labelledby="messages" dangerouslySetInnerHTML=${KEPT}></section></main>`,
]);

// What is wrong with the hub itself, before anything else on the page.
const Troubles = ({ view }) =>
  view.problems.length + view.notices.length > 0 &&
  html`<section class="troubles" role="alert" aria-label="What is wrong">${view.problems.map(
    (each) => html`<p class="problem" key=${each}><strong>Not ready</strong> <bdi>${each}</bdi></p>`,
  )}${view.notices.map((each) => html`<p class="notice" key=${each}><strong>Note</strong> <bdi>${each}</bdi></p>`)}</section>`;

// What goes round in circles, and waits for a person.
const HeldBack = ({ view, on }) =>
  view.held.length > 0 &&
  html`<section class="held" aria-labelledby="held"><h2 id="held">Held until you decide</h2><ul>${view.held.map(
    (row) => html`<${Held} key=${row.offset} row=${row} on=${on} />`,
  )}</ul>${view.held_more && html`<p class="rest">${view.held_more}</p>`}</section>`;

const Held = ({ row, on }) =>
  html`<li><p class="what"><bdi class=${`name h${row.sender_hue}`}>${row.sender}</bdi> <span class="arrow" role="img" aria-label="to">→</span> <bdi>${row.to}</bdi> <bdi class="why">${row.why}</bdi></p><bdi class="preview">${row.preview}</bdi><p class="decide"><button class="release" type="button" onClick=${() => on.release(row.offset)}>Send it</button> <button class="drop" type="button" onClick=${() => on.drop(row.offset)}>Drop it</button> <code>${row.command}</code></p></li>`;

const Total = ({ each }) =>
  html`<div class=${each.late ? "total late" : "total"}><dt>${each.label}</dt><dd><span class="value">${each.value}</span> <span class="note">${each.note}</span></dd></div>`;

// For a narrow window, where the parts stand one below the other.
const Jump = ({ view }) =>
  html`<nav class="jump" aria-label="On this page">${
    !view.empty && [html`<a href="#instances">Instances</a>`, " ", html`<a href="#queues">Queues</a>`, " "]
  }<a href="#messages">Messages</a></nav>`;

const Start = ({ on }) =>
  html`<section class="start"><h2>Nobody is here yet</h2><p>See it move: a rehearsed conversation, played by this hub.</p><p class="act"><button class="demo" type="button" onClick=${on.demo}>Play it here</button> <span>or</span> <code>hubbub demo</code></p><p>Let the agents on this machine take part; each finds its hub by itself.</p><pre class="command"><code>hubbub connect all</code></pre><p>Say something yourself; it waits until alice comes.</p><pre class="command"><code>hubbub send --as you alice "hello"</code></pre></section>`;

// What is folded as the server drew it for browsers without scripts: to others it is one run of text.
const drawn = () => html`<noscript dangerouslySetInnerHTML=${KEPT}></noscript>`;

// What is folded is drawn once somebody looks.
class More extends Component {
  opened = ({ currentTarget }) => currentTarget.open && this.setState({ seen: true });

  render({ text, inside }, { seen }) {
    return html`<details class="more" onToggle=${this.opened}><summary>${text}</summary>${seen ? inside() : drawn()}</details>`;
  }
}

const Stock = ofView(({ view, on }) => (view.empty ? html`<${Start} on=${on} />` : html`<${Full} view=${view} />`));

const Full = ({ view }) => [
  html`<section class="pulse" dangerouslySetInnerHTML=${KEPT}></section>`,
  html`<section class="instances"><h2 id="instances">Instances</h2><table aria-labelledby="instances"><thead><tr><th scope="col">Name</th><th scope="col" class="num">Unread</th><th scope="col" class="num">Oldest</th><th scope="col" class="seen">Last seen</th></tr></thead><tbody>${instances(view.instances)}</tbody></table>${
    view.more_instances.length > 0 &&
    html`<${More} text=${view.instances_folded} inside=${() => html`<table aria-labelledby="instances"><tbody>${instances(view.more_instances)}</tbody></table>`} />`
  }</section>`,
  html`<section class="queues"><h2 id="queues">Queues</h2><table aria-labelledby="queues"><thead><tr><th scope="col">Topic, and what each reader has not read</th><th scope="col" class="num">Backlog</th><th scope="col" class="num">Oldest</th><th scope="col" class="num">Kept</th><th scope="col" class="num size">Size</th></tr></thead><tbody>${queues(view.queues)}</tbody></table>${
    view.more_queues.length > 0 &&
    html`<${More} text=${view.queues_folded} inside=${() => html`<table aria-labelledby="queues"><tbody>${queues(view.more_queues)}</tbody></table>`} />`
  }</section>`,
];

const instances = (rows) => rows.map((row) => html`<${Instance} key=${row.who.name} row=${row} />`);
const queues = (rows) => rows.map((row) => html`<${Queue} key=${row.topic} row=${row} />`);

// Opens the forms above this page; static/above.js has how.
const Step = ({ link, about }) => link && html`<a class="step" data-form="" href=${link} aria-label=${`Step in: ${about}`} title="Step in">⋯</a>`;

const Name = ({ who }) => html`<a class=${`name h${who.hue}`} href=${who.link}>${who.name}</a>`;

const Instance = ({ row }) =>
  html`<tr class=${row.online ? "on" : "off"}><th scope="row"><div class="cell"><div class="who"><span class="presence"></span><${Name} who=${row.who} /> <span class="state">${row.state}</span></div><div class="sub">${
    row.client ? [html`<span class="client">${row.client}</span>`, " "] : null
  }${row.hops ? [html`<span class="hops">${row.hops}</span>`, " "] : null}${row.topics.map((topic) => [html`<span class="topic">${topic}</span>`, " "])}</div></div><${Step} link=${row.step} about=${row.who.name} /></th><td class=${row.waiting ? "num some" : "num none"}>${row.unread}</td><td class=${row.late ? "num late" : "num"}>${row.oldest}${
    row.late && html`<span class="unseen"> (too long)</span>`
  }</td><td class="seen"><time datetime=${row.seen_at}>${row.seen}</time></td></tr>`;

const Reader = ({ cell }) =>
  html`<li class=${cell.behind ? "behind" : "level"}><${Name} who=${cell.who} /> <span class="backlog">${cell.backlog}</span></li>`;

const readers = (cells) => cells.map((cell) => html`<${Reader} key=${cell.who.name} cell=${cell} />`);

const Queue = ({ row }) =>
  html`<tr><th scope="row"><div class="cell"><a class="topic" href=${row.link}>${
    row.prefix ? [html`<span class="prefix">${row.prefix}</span>`, html`<span class=${`h${row.rest_hue}`}>${row.rest}</span>`] : html`<span>${row.rest}</span>`
  }</a><ul class="readers">${row.marks && html`<li class="marks">${row.marks}</li>`}${
    row.readers.length > 0 ? readers(row.readers) : html`<li class="nobody">no readers</li>`
  }</ul>${
    row.more_readers.length > 0 &&
    html`<${More} text=${row.more} inside=${() => html`<ul class="readers">${readers(row.more_readers)}</ul>`} />`
  }</div><${Step} link=${row.step} about=${row.topic} /></th><td class=${row.waiting ? "num some" : "num none"}>${row.backlog}</td><td class=${row.late ? "num late" : "num"}>${row.oldest}${
    row.late && html`<span class="unseen"> (too long)</span>`
  }</td><td class="num">${row.messages}</td><td class="num size">${row.size}</td></tr>`;

const Choice = ({ each }) => html`<option value=${each.value} selected=${each.chosen}>${each.value}</option>`;

class Flow extends Component {
  // A message that is unfolded must not move from under the pointer: the roll is held at its lower end.
  unfold = (event) => {
    const summary = event.target.closest("summary");
    if (!summary || !summary.parentElement.parentElement.classList.contains("message")) return;
    event.preventDefault();
    if (!getSelection().isCollapsed && summary.contains(getSelection().anchorNode)) return; // text is being marked
    const details = summary.parentElement;
    const before = summary.getBoundingClientRect().top;
    this.props.on.unfold(Number(details.parentElement.id.slice(1)));
    details.open = !details.open;
    this.scroll.scrollTop += summary.getBoundingClientRect().top - before;
  };

  shows() {
    const { with_, topic, thread } = this.props.on.chosen();
    return JSON.stringify([with_, topic, thread]);
  }

  componentDidMount() {
    this.shown = this.shows();
  }

  componentDidUpdate(before) {
    const shown = this.shows();
    if (this.shown !== shown) {
      this.scroll.scrollTop = 0;
      const to = document.querySelector("#write [name=to]");
      if (to.value === to.defaultValue) to.value = to.defaultValue = this.props.view.write_to;
    }
    this.shown = shown;
    if (before.fresh > 0 && this.props.fresh === 0 && this.props.on.jumped()) this.scroll.scrollTop = 0;
  }

  render({ view, rows, nothing, older, fresh, on }) {
    return html`<${Bar} view=${view} on=${on} /><div class="scroll" tabindex="0" role="region" aria-label="Messages, the newest last" ref=${(element) => (this.scroll = element)} onScroll=${on.scroll} onClick=${this.unfold}><div class="roll"><button class="older" type="button" hidden=${!older} onClick=${on.older}>Older messages</button><ol>${
      rows.length > 0 ? rows.map((row) => html`<${Row} key=${row.entry.offset} row=${row} />`) : html`<li class="nothing">${nothing}</li>`
    }</ol></div></div>${fresh > 0 && html`<button class="pill" type="button" onClick=${on.newest}>${`${fresh} new`}</button>`}`;
  }
}

const Bar = ofView(
  ({ view, on }) =>
    html`<div class="bar"><h2 id="messages" tabindex="-1">Messages</h2><form class="filters" method="get" onChange=${on.choose} onSubmit=${on.choose}><label><span>From or to</span> <select name="with"><option value="">anyone</option>${view.names.map(
      (each) => html`<${Choice} key=${each.value} each=${each} />`,
    )}</select></label><label><span>Topic</span> <select name="topic"><option value="">any</option>${view.topics.map(
      (each) => html`<${Choice} key=${each.value} each=${each} />`,
    )}</select></label>${view.thread ? html`<input type="hidden" name="thread" value=${view.thread} />` : null}${
      !view.facts && html`<input type="hidden" name="facts" value="0" />`
    }<button class="apply" type="submit">Show</button></form><a class="facts" href=${view.facts_link}>${
      view.facts ? "Hide hub facts" : "Show hub facts"
    }</a><datalist id="queue-names">${view.queue_names.map((each) => html`<option key=${each} value=${each}></option>`)}</datalist><details class="write" id="write"><summary>Write</summary><div dangerouslySetInnerHTML=${KEPT}></div></details></div>${
      view.narrows &&
      html`<p class="narrowed">${
        view.thread
          ? [html`<span>thread</span>`, " ", html`<bdi class="mark-thread">${view.thread}</bdi>`, " ", html`<a href=${view.without_thread}>all threads</a>`, " "]
          : null
      }<a href=${view.conversation}>As a conversation</a> <a href=${view.clear}>Show everything</a></p>`
    }`,
);

class Row extends Component {
  // An arrow is drawn once, though its row may come and go.
  componentDidMount() {
    this.props.row.entry.fresh = false;
  }

  shouldComponentUpdate({ row }) {
    const was = this.props.row;
    return row.entry !== was.entry || row.clock !== was.clock || row.answers !== was.answers || row.thread_link !== was.thread_link || row.wanted !== was.wanted;
  }

  render({ row }) {
    return row.entry.fact === null ? message(row) : fact(row);
  }
}

const fact = ({ entry, clock }) =>
  html`<li class="fact" id=${`m${entry.offset}`}><time datetime=${entry.sent}>${clock}</time><p>${
    entry.about ? [html`<a class=${`name h${entry.about_hue}`} href=${entry.about_link}>${entry.about}</a>`, " "] : null
  }<bdi>${entry.fact}</bdi></p></li>`;

function message({ entry, clock, answers, thread_link, wanted }) {
  return html`<li class=${entry.fresh ? "message fresh" : "message"} id=${`m${entry.offset}`}><details><summary><time datetime=${entry.sent}>${clock}</time><span class="line"><bdi class=${`name h${entry.sender_hue}`}>${entry.sender}</bdi> <span class="arrow" role="img" aria-label="to">→</span> <bdi class=${
    entry.to_kind === "name" ? `name h${entry.to_hue}` : "topic"
  }>${entry.to}</bdi>${entry.reply_to ? [" ", html`<span class="mark-reply">reply</span>`] : null}${
    entry.thread ? [" ", html`<bdi class="mark-thread">${entry.thread}</bdi>`] : null
  }${wanted ? [" ", html`<span class="mark-wanted">answer by <time datetime=${entry.answer_by}>${wanted}</time></span>`] : null}${
    entry.files.length > 0 && [" ", html`<span class="mark-files">${plural(entry.files.length, "file")}</span>`]
  }</span><bdi class="preview">${entry.preview}</bdi></summary>${entry.folded ? entry.drawn && drawn() : whole(entry, answers, thread_link)}</details></li>`;
}

const whole = (entry, answers, thread_link) =>
  html`<div class="whole"><pre class="body" dir="auto">${entry.body}</pre>${
    !entry.whole &&
    html`<p class="cut"><a href=${entry.link}>${`The whole message, ${entry.size}`}</a></p>`
  }${entry.data !== null && html`<pre class="data">${entry.data}</pre>`}${
    entry.files.length > 0 && html`<ul class="files">${entry.files.map((file) => html`<li>${file.link ? html`<a href=${file.link} download>${file.text}</a>` : html`<bdi>${file.text}</bdi>`}</li>`)}</ul>`
  }<dl class="about">${lead("message", String(entry.offset), entry.link)}${lead("from", entry.sender, entry.sender_link)}${lead("to", entry.to, entry.to_link)}${
    entry.thread ? html`<div><dt>thread</dt><dd><a href=${entry.thread_link}>${entry.thread}</a> <a href=${thread_link}>only this one here</a></dd></div>` : null
  }${
    entry.reply_to
      ? html`<div><dt>answers</dt><dd>${answers !== null ? html`<a href=${`#m${answers}`}>${String(answers)}</a>` : html`<a href=${entry.reply_link}>${entry.reply_to}</a>`}</dd></div>`
      : null
  }${entry.answer_by ? part("answer wanted by", entry.answer_by) : null}${lead("topic", entry.topic, entry.topic_link)}${part("size", entry.size)}${part("sent", entry.sent)}${part("id", entry.id)}</dl><p class="reply"><a data-form="" href=${`${entry.link}#answer`} aria-label=${`Answer ${entry.sender} as a person`}>Answer</a></p><p class="copies" data-message=${entry.id} data-offset=${String(entry.offset)}><span>Copy</span> <button type="button" data-copy="link">link</button> <button type="button" data-copy="Markdown">Markdown</button> <button type="button" data-copy="JSON">JSON</button> <span class="done" role="status" data-own></span></p></div>`;

const lead = (term, text, link) => html`<div><dt>${term}</dt><dd><a href=${link}>${text}</a></dd></div>`;

const part = (term, value) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`;

// The frame of the page, and what stands in it. Each is drawn by itself, so that taking over is no long task.
export const PARTS = [
  [Page, (root) => root],
  [Stock, (root) => root.querySelector(".stock")],
  [Flow, (root) => root.querySelector(".flow")],
];
