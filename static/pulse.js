// The last hour of a hub in numbers: the words and tables of dashboard/pulse.py, which made the first ones (a test holds
// the two together), and the series that the charts draw. Pure.

import { clock, count, instant, plural, span } from "./words.js";

export const HOUR = 3600; // s
const STRETCH = 300; // s of one row of the table
const FINE = 600; // s up to which a chart shows each beat
const COARSE = 30; // s of a point beyond that
const LEAST = 300; // s that a chart shows though the hub has not run so long

const seconds = (text) => Math.floor(instant(text) / 1000);

export function pulse({ at, since, beat, beats }) {
  const now = seconds(at);
  const start = seconds(since);
  const first = Math.max(now - HOUR, start);
  const shown = beats.filter((each) => each.at + beat > first);
  const timed = shown.filter(({ p50 }) => p50 !== null);
  const rows = [];
  for (let begin = first - (first % STRETCH); begin <= now; begin += STRETCH)
    rows.push(stretch(shown.filter((each) => begin <= each.at && each.at < begin + STRETCH), begin, now, beat));
  return {
    rate: `${plural(sum(shown), "message")}, at most ${rate(shown, beat)} a second`,
    latency:
      timed.length > 0
        ? `at worst half in ${latency(most(timed, "p50"))}, 95 % in ${latency(most(timed, "p95"))}`
        : "no message was confirmed by a client",
    known: start <= now - HOUR ? "" : `${span((now - start) * 1000)} since the start`,
    rows,
  };
}

const sum = (beats) => beats.reduce((all, { messages }) => all + messages, 0);
const most = (beats, key) => Math.max(0, ...beats.map((each) => each[key]));

export function latency(milliseconds) {
  if (milliseconds < 9.95) return `${milliseconds.toFixed(1)} ms`;
  if (milliseconds < 995) return `${Math.round(milliseconds)} ms`;
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

function stretch(beats, begin, now, beat) {
  const timed = beats.filter(({ p50 }) => p50 !== null);
  const told = (key) => (timed.length > 0 ? latency(most(timed, key)) : "unknown");
  return {
    begins: clock(begin * 1000, now * 1000),
    messages: count(sum(beats)),
    most: rate(beats, beat),
    p50: told("p50"),
    p95: told("p95"),
  };
}

function rate(beats, beat) {
  const tenths = Math.floor((most(beats, "messages") * 10) / beat);
  return tenths % 10 && tenths < 1000 ? `${count(Math.floor(tenths / 10))}.${tenths % 10}` : count(Math.floor(tenths / 10));
}

// What the charts draw: [times], [messages a second], [p50], [p95]. A point is a beat, or for more than ten minutes half a
// minute: of the latencies then the highest. Where nothing is known there is null: before the hub's start for all of them,
// and for latencies wherever nobody confirmed anything.
export function series({ at, since, beat, beats }) {
  const now = seconds(at);
  const start = seconds(since);
  const length = Math.min(HOUR, Math.max(LEAST, now - start));
  const step = length > FINE ? COARSE : beat;
  const down = (time) => time - (time % step);
  const points = new Map();
  for (const each of beats) points.set(down(each.at), [...(points.get(down(each.at)) ?? []), each]);
  const found = [[], [], [], []];
  for (let time = down(now - length); time <= now; time += step) {
    const here = points.get(time) ?? [];
    const timed = here.filter(({ p50 }) => p50 !== null);
    const over = Math.min(step, Math.max(1, now - time)); // the last one is not over yet
    found[0].push(time);
    found[1].push(time + step <= start ? null : sum(here) / over);
    found[2].push(timed.length > 0 ? most(timed, "p50") : null);
    found[3].push(timed.length > 0 ? most(timed, "p95") : null);
  }
  return found;
}

// The hour with what was told later: beats that came anew stand in the place of those that are known.
export function joined(known, later) {
  const by = new Map(known.beats.map((each) => [each.at, each]));
  for (const each of later.beats) by.set(each.at, each);
  const oldest = seconds(later.at) - HOUR - known.beat;
  return { ...later, beats: [...by.values()].filter((each) => each.at >= oldest).sort((one, other) => one.at - other.at) };
}

// One more message, seen on the live line before the hub tells the beat.
export function counted(known, now) {
  const begin = now - (now % known.beat);
  const each = known.beats.at(-1);
  if (each?.at === begin) each.messages += 1;
  else known.beats.push({ at: begin, messages: 1, received: 0, p50: null, p95: null });
}
