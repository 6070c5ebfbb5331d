// The keyboard: letters that lead to pages, through lists and to the search field. A list's elements are those with
// `data-item`; the field that `/` leads to has `data-search`. Letters can be switched off, since who dictates or uses
// a screen reader may press one without meaning it. (https://www.w3.org/TR/WCAG22/#character-key-shortcuts)

import { Dialog, made } from "./dialog.js";
import { recall, remember } from "./memory.js";
import { Palette } from "./palette.js";

const OFF = "hubbub.keys";
const ITEMS = "[data-item], .message > details > summary, .view tbody th a";

const places = () => Array.from(document.querySelectorAll(".places a[data-key]"));

export class Keys {
  #palette = new Palette(places);
  #help = new Dialog("Keys", "keys");
  #hint = null; // stands while the second letter of a pair is awaited

  constructor() {
    addEventListener("keydown", (event) => this.#pressed(event));
    addEventListener("pointerdown", () => this.#awaitNoMore());
    document.querySelector("[data-opens=palette]")?.addEventListener("click", () => this.#palette.open());
    document.querySelector("[data-opens=keys]")?.addEventListener("click", () => this.#tell());
  }

  #pressed(event) {
    if (event.defaultPrevented || event.isComposing) return;
    const { key, metaKey, ctrlKey, altKey } = event;
    if ((metaKey || ctrlKey) && !altKey && key.toLowerCase() === "k") {
      event.preventDefault();
      return this.#palette.open();
    }
    if (metaKey || ctrlKey || altKey || recall(OFF) === "off" || writes(event.target)) return;
    const second = this.#hint !== null;
    this.#awaitNoMore();
    if (second ? this.#go(key) : this.#act(key)) event.preventDefault();
  }

  // The second letter of a pair. Says whether it meant something.
  #go(key) {
    const place = places().find((each) => each.dataset.key === key);
    place?.click();
    return Boolean(place);
  }

  // Says what may follow for as long as it is awaited: nobody has to be quick, or to know it by heart.
  #await() {
    this.#hint = made("p", "hint");
    this.#hint.setAttribute("role", "status");
    document.body.append(this.#hint);
    for (const each of places()) this.#hint.append(made("kbd", "", each.dataset.key), ` ${each.textContent} `);
  }

  #awaitNoMore() {
    this.#hint?.remove();
    this.#hint = null;
  }

  #act(key) {
    switch (key) {
      case "g":
        this.#await();
        return true;
      case "j":
        return step(1);
      case "k":
        return step(-1);
      case "/":
        return this.#search();
      case "?":
        this.#tell();
        return true;
      default:
        return false;
    }
  }

  #search() {
    const field = document.querySelector("[data-search]");
    const page = places().find((each) => each.pathname === "/search");
    if (field) field.focus();
    else if (page) page.click();
    else this.#palette.open();
    field?.select?.();
    return true;
  }

  #tell() {
    const rows = [
      ["/", "search"],
      ["j k", "the next, the one before"],
      ["Enter", "open it"],
      ...places().map((each) => [`g ${each.dataset.key}`, each.textContent]),
      ...(document.querySelector(".scrubber") ? [["[ ]", "one message back, one on"], ["space", "play, and pause"]] : []),
      ["Ctrl K", "go to a page, an agent or a topic"],
      ["Esc", "close"],
      ["?", "these keys"],
    ];
    const list = made("dl", "terms");
    for (const [keys, what] of rows) {
      const row = made("div");
      const term = made("dt");
      for (const key of keys.split(" ")) term.append(made("kbd", "", key), " ");
      row.append(term, made("dd", "", what));
      list.append(row);
    }
    const letters = made("input");
    letters.type = "checkbox";
    letters.checked = recall(OFF) !== "off";
    letters.addEventListener("change", () => remember(OFF, letters.checked ? "on" : "off"));
    const choice = made("label", "choice");
    choice.append(letters, " single letters are keys");
    this.#help.open(list, choice);
  }
}

// Whether keys mean text, or an answer to what is asked, where they are pressed.
const writes = (target) => target.isContentEditable || Boolean(target.closest("input, textarea, select, dialog[open]"));

// Through the list that is there. One that is drawn in part only has its own way: `data-roll` marks it.
function step(by) {
  const roll = document.querySelector("[data-roll]");
  if (roll) {
    roll.focus({ preventScroll: true });
    return roll.dispatchEvent(new CustomEvent("hubbub:step", { detail: by, bubbles: true }));
  }
  const items = Array.from(document.querySelectorAll(`#page :is(${ITEMS})`)).filter((each) => each.checkVisibility());
  if (items.length === 0) return false;
  const at = items.findIndex((each) => each === document.activeElement || each.contains(document.activeElement));
  const next = at < 0 ? (by > 0 ? nearest(items) : items.length - 1) : Math.min(Math.max(at + by, 0), items.length - 1);
  if (items[next].tabIndex < 0) items[next].tabIndex = -1;
  items[next].focus({ preventScroll: true });
  items[next].scrollIntoView({ block: "nearest" });
  return true;
}

// The first that is in sight: where one has scrolled to, one goes on from.
const nearest = (items) => Math.max(0, items.findIndex((each) => each.getBoundingClientRect().bottom > 0));
