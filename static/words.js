// How the page says numbers, spans of time, sizes and names. The same as dashboard/words.py; a test holds them together.
// Times are whole milliseconds since 1970.

export const HUES = 24;

export const TOO_LONG = 5 * 60_000; // after which an unread message has waited too long

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const UTF8 = new TextEncoder();

export const count = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");

export const plural = (number, one, many) => `${count(number)} ${number === 1 ? one : many || one + "s"}`;

// What is held, in a line; empty where nothing is. hub/standstill.py says the same.
export const standstill = (hub) =>
  [
    [hub.held, "message waits for a person", "messages wait for a person"],
    [hub.holds, "queue is held", "queues are held"],
    [hub.paused, "agent is paused", "agents are paused"],
  ]
    .filter(([number]) => number > 0)
    .map(([number, one, many]) => plural(number, one, many))
    .join(", ");

export function size(number) {
  if (number < 1024) return `${number} B`;
  let unit = "KiB";
  let step = 1024;
  for (const larger of ["MiB", "GiB", "TiB"]) {
    if (number < step * 1024) break;
    unit = larger;
    step *= 1024;
  }
  const tenths = Math.floor((number * 10) / step);
  return tenths < 100 ? `${Math.floor(tenths / 10)}.${tenths % 10} ${unit}` : `${count(Math.floor(tenths / 10))} ${unit}`;
}

export function span(milliseconds) {
  const seconds = Math.floor(Math.max(0, milliseconds) / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${count(Math.floor(seconds / 86400))} d`;
}

export const ago = (milliseconds) => (milliseconds < 5000 ? "now" : `${span(milliseconds)} ago`);

export const instant = (text) => Date.parse(text);

export function clock(at, now) {
  const then = new Date(at);
  const two = (number) => String(number).padStart(2, "0");
  const minute = `${two(then.getHours())}:${two(then.getMinutes())}`;
  if (then.toDateString() === new Date(now).toDateString()) return `${minute}:${two(then.getSeconds())}`;
  return `${then.getDate()} ${MONTHS[then.getMonth()]} ${minute}`;
}

export function hue(name) {
  let mixed = 0x811c9dc5;
  for (const byte of UTF8.encode(name.toLowerCase())) mixed = Math.imul(mixed ^ byte, 0x01000193) >>> 0;
  return mixed % HUES;
}

export const bytes = (text) => UTF8.encode(text).length;

const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

export const visible = (text) =>
  text.replaceAll("\r\n", "\n").replace(CONTROL, (found) => {
    const code = found.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "␡" : "\ufffd";
  });
