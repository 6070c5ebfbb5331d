// The browser's notifications, of what a person may want to know while the page is out of sight. Nothing is asked for
// and nothing is shown until one ticks a box.

import { Dialog, made } from "./dialog.js";
import { recall, remember } from "./memory.js";
import { TOO_LONG, instant, plural, span, visible } from "./words.js";

const CHOICE = "hubbub.notices";
const TOLD = "hubbub.told"; // what waits too long, and has been told of
const BODY = 160; // characters
const LOOK = 20_000; // ms between two looks at what waits

export class Notices {
  #dialog = new Dialog("Notifications", "notices");
  #wanted = recalled(CHOICE, {});

  constructor() {
    document.querySelector("[data-opens=notices]")?.addEventListener("click", () => this.#open());
    setInterval(() => this.#wanted.late && mayShow() && this.#look(), LOOK);
  }

  // A message that was just said, the hub's own facts among them.
  hear({ topic, from, to, body, data, offset }) {
    const name = this.#wanted.to?.trim().toLowerCase();
    if (topic === "$loop.held" && this.#wanted.held)
      show(`Held: ${visible(String(data?.name))} → ${visible(String(data?.to))}`, "It waits until you decide.", `held-${offset}`);
    else if (name && topic === `inbox.${name}`) show(`${visible(from)} → ${visible(to)}`, first(visible(body)), `message-${offset}`);
  }

  // No hub has answered for more than a moment.
  lost() {
    if (this.#wanted.lost) show("No hub answers", "hubbub start", "lost");
  }

  // What waits for somebody, a person too, can turn late without anybody saying anything: so it is asked for.
  async #look() {
    const found = await instances();
    if (!found) return;
    const late = found.filter(({ oldest_unread_at: at }) => at && Date.now() - instant(at) >= TOO_LONG);
    const told = late.filter(({ name }) => recalled(TOLD, []).includes(name));
    remember(TOLD, JSON.stringify(late.map(({ name }) => name)));
    const fresh = late.filter((each) => !told.includes(each));
    if (fresh.length === 0) return;
    const [{ name, unread, oldest_unread_at: at }] = fresh;
    const names = fresh.map((each) => visible(each.name)).join(", ");
    if (fresh.length > 1) show(`${plural(fresh.length, "queue")} wait too long`, first(names), "late");
    else show(`What was sent to ${visible(name)} waits too long`, `${plural(unread, "message")} unread, the oldest for ${span(Date.now() - instant(at))}`, `late-${name}`);
  }

  #open() {
    const form = made("form");
    form.method = "dialog";
    form.append(
      this.#box("held", "a message is held until I decide"),
      this.#box("late", "a message to anybody has waited too long"),
      this.#box("lost", "the hub no longer answers"),
      this.#name(),
      made("p", "soft", said()),
    );
    this.#dialog.open(made("p", "soft", "While this page is open and out of sight, tell me when"), form);
  }

  #box(key, text) {
    const box = made("input");
    box.type = "checkbox";
    box.checked = Boolean(this.#wanted[key]);
    box.addEventListener("change", () => this.#want(key, box.checked));
    const label = made("label", "choice");
    label.append(box, ` ${text}`);
    return label;
  }

  #name() {
    const field = made("input");
    field.type = "text";
    field.value = this.#wanted.to ?? "";
    field.placeholder = "a name";
    field.autocomplete = "off";
    field.addEventListener("change", () => this.#want("to", field.value));
    const label = made("label", "choice");
    label.append("there is a message to ", field);
    return label;
  }

  async #want(key, value) {
    this.#wanted = { ...this.#wanted, [key]: value };
    remember(CHOICE, JSON.stringify(this.#wanted));
    if (value && possible() && Notification.permission === "default") await Notification.requestPermission();
    const note = this.#dialog.element.querySelector("form .soft");
    if (note) note.textContent = said();
  }
}

const possible = () => "Notification" in globalThis;

const mayShow = () => document.hidden && possible() && Notification.permission === "granted";

function recalled(key, otherwise) {
  try {
    return JSON.parse(recall(key)) ?? otherwise;
  } catch {
    return otherwise; // somebody else's
  }
}

async function instances() {
  try {
    const answer = await fetch("/api/v1/instances", { cache: "no-store" });
    return answer.ok ? (await answer.json()).instances : null;
  } catch {
    return null; // no hub answers, which is told of by itself
  }
}

function said() {
  if (!possible()) return "This browser shows none to this page: it asks for https, or for this machine’s own address.";
  if (Notification.permission === "denied") return "This browser refuses them to this page; its settings say so, and can change it.";
  return Notification.permission === "granted" ? "This browser lets the page show them." : "The browser will ask you once.";
}

// The same tag in another tab replaces this one.
function show(title, body, tag) {
  if (!mayShow()) return;
  const notice = new Notification(title, { body, tag });
  notice.onclick = () => {
    focus();
    notice.close();
  };
}

const first = (text) => (text.length <= BODY ? text : `${Array.from(text.slice(0, BODY)).join("").trimEnd()}…`);
