// The overview's charts: messages a second, and how long until readers have them. uPlot draws; the words and the table
// behind each are this module's own part of the page, which the rest of the overview leaves alone.

import { h, render } from "./vendor/preact.js";
import htm from "./vendor/htm.js";
import { rest } from "./frame.js";
import { counted, joined, latency, pulse, series } from "./pulse.js";

const html = htm.bind(h);

const HEIGHT = 92; // px
const EVERY = 5_000; // ms between two questions to the hub
const FRAME = 1_000; // ms between two drawings: a chart of an hour shows no less
const NARROWEST = 120; // px

export class Charts {
  #told;
  #ask;
  #uPlot = null;
  #plots = [];
  #place = null;
  #due = null;

  // `told` is what the server left in the page; `ask(path)` gives JSON, or null.
  constructor(told, ask) {
    this.#told = told;
    this.#ask = ask;
    this.#begin();
    setInterval(() => document.hidden || this.fetch(), EVERY);
    addEventListener("resize", () => this.#anew());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#anew());
    new MutationObserver(() => this.#anew()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }

  // The page is there without them, and can be used meanwhile.
  async #begin() {
    await formats();
    const { default: uPlot } = await library();
    await rest();
    this.#uPlot = uPlot;
    this.draw();
  }

  // A message came on the live line.
  count(now) {
    counted(this.#told, Math.floor(now / 1000));
    this.#told.at = new Date(now).toISOString();
    this.#due ??= setTimeout(() => {
      this.#due = null;
      if (!document.hidden) this.draw();
    }, FRAME);
  }

  async fetch() {
    const known = this.#told.beats.at(-3)?.at ?? 0; // the last ones may have been told before they were over
    const found = await this.#ask(`/api/v1/pulse?after=${known}`);
    if (!found) return;
    const fresh = found.since === this.#told.since ? this.#told : { ...found, beats: [] };
    this.#told = joined(fresh, found);
    this.draw();
  }

  draw() {
    const place = document.querySelector(".pulse");
    if (!place) return;
    if (place !== this.#place) {
      place.replaceChildren();
      this.#place = place;
    }
    const said = pulse(this.#told);
    render(html`<${Section} said=${said} />`, place);
    this.#plot(series(this.#told));
  }

  #plot([times, rate, p50, p95]) {
    const boxes = [...this.#place.querySelectorAll(".plot")];
    if (!this.#uPlot || boxes[0].clientWidth < NARROWEST) return;
    const data = [[times, rate], [times, p50, p95]];
    if (this.#plots[0]?.root.isConnected) {
      this.#plots.forEach((plot, at) => plot.setData(data[at]));
      return;
    }
    const ink = colours(this.#place);
    this.#plots = boxes.map((box, at) => new this.#uPlot(options(box.clientWidth, ink, at), data[at], box));
  }

  #anew() {
    for (const plot of this.#plots) plot.destroy();
    this.#plots = [];
    this.draw();
  }
}

// uPlot formats numbers as soon as it is loaded, which nothing else here does. Without a worker it only takes longer.
const formats = () =>
  new Promise((then) => {
    const worker = new Worker(new URL("./formats.js", import.meta.url));
    worker.onmessage = worker.onerror = () => {
      worker.terminate();
      then();
    };
  });

// Where no hub answers, it is asked for again until one does: under another address each time, since a browser may remember
// that there was nothing under the first.
async function library(again = 0) {
  try {
    return await import(`./vendor/uplot.js${again > 0 ? `?${again}` : ""}`);
  } catch {
    await new Promise((then) => setTimeout(then, EVERY));
    return library(again + 1);
  }
}

const Section = ({ said }) =>
  html`<h2 class="unseen">The last hour</h2><figure><figcaption>Messages a second <span class="note">${said.known}</span></figcaption><div class="plot" role="img" aria-label=${`Messages a second: ${said.rate}`} /><details class="more"><summary>${said.rate}</summary><${Table} rows=${said.rows} keys=${["messages", "most"]} heads=${["Messages", "At most a second"]} /></details></figure
  ><figure><figcaption>Until a reader has it <span class="note">half, and 95 %</span></figcaption><div class="plot" role="img" aria-label=${`Until a reader has a message: ${said.latency}`} /><details class="more"><summary>${said.latency}</summary><${Table} rows=${said.rows} keys=${["p50", "p95"]} heads=${["Half within", "95 % within"]} /></details></figure>`;

const Table = ({ rows, keys, heads }) =>
  html`<table><thead><tr><th scope="col">From</th>${heads.map((head) => html`<th scope="col" class="num">${head}</th>`)}</tr></thead><tbody>${rows.map(
    (row) => html`<tr key=${row.begins}><th scope="row">${row.begins}</th>${keys.map((key) => html`<td class="num">${row[key]}</td>`)}</tr>`,
  )}</tbody></table>`;

// A canvas knows nothing of the sheet's variables, so they are asked for as they come out.
function colours(place) {
  const probe = place.appendChild(document.createElement("span"));
  const of = (name) => {
    probe.className = name;
    return getComputedStyle(probe).color;
  };
  const found = { axis: of("axis"), grid: of("grid"), line: of("line"), second: of("second") };
  probe.remove();
  return found;
}

const two = (number) => String(number).padStart(2, "0");
const minute = (time) => `${two(new Date(time * 1000).getHours())}:${two(new Date(time * 1000).getMinutes())}`;
const short = (number) => (number >= 1000 ? `${number / 1000} k` : String(Math.round(number * 10) / 10));

// Of a logarithmic scale's many lines those at 1, 10, 100 …
const decades = (_, splits) => splits.map((each) => (Math.abs(Math.log10(each) % 1) < 1e-9 ? each : null));

function options(width, ink, at) {
  const axis = (more) => ({ stroke: ink.axis, grid: { stroke: ink.grid, width: 1 }, ticks: { show: false }, font: "11px system-ui", ...more });
  const line = (label, stroke, more) => ({ label, stroke, width: 1.5, points: { show: false }, ...more });
  return {
    width,
    height: HEIGHT,
    padding: [6, 18, 0, 0], // the last time of day stands half beside its line
    legend: { show: false },
    cursor: { show: false },
    scales: at === 0 ? { x: { time: false }, y: { range: (_, __, high) => [0, Math.max(0.2, high)] } } : { x: { time: false }, y: { distr: 3 } },
    axes: [
      axis({ size: 20, space: 60, incrs: [60, 300, 600, 900, 1800, 3600], values: (_, times) => times.map(minute) }),
      axis({
        size: 46,
        space: 26,
        ...(at === 1 && { filter: decades, grid: { stroke: ink.grid, width: 1, filter: decades } }),
        values: (_, splits) => splits.map((each) => (each === null ? "" : at === 0 ? short(each) : latency(each).replace(".0 ", " "))),
      }),
    ],
    series: at === 0 ? [{}, line("messages a second", ink.line, { fill: ink.grid })] : [{}, line("half within", ink.line, { points: { show: true, size: 2.5 } }), line("95 % within", ink.second, { dash: [4, 3], points: { show: true, size: 2.5 } })],
  };
}
