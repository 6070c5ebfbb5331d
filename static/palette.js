// Ctrl-K: a page, an agent or a topic by some of its letters. A combobox with a list under it, whose chosen line the
// field names while it keeps the focus. (https://www.w3.org/WAI/ARIA/apg/patterns/combobox/)

import { Dialog, made } from "./dialog.js";
import { instance, then } from "./links.js";
import { rank } from "./rank.js";
import { hue, visible } from "./words.js";

const MOST = 12; // lines

export class Palette {
  #dialog = new Dialog("Go to", "palette");
  #places; // a function that gives the links of the masthead
  #all = [];
  #found = [];
  #at = 0;
  #field;
  #list;

  constructor(places) {
    this.#places = places;
  }

  async open() {
    if (this.#dialog.element?.open) return;
    this.#all = this.#places().map((each) => ({ kind: "page", text: each.textContent, link: each.getAttribute("href") }));
    this.#make();
    this.#dialog.open(this.#field, this.#list);
    this.#field.focus();
    this.#look();
    const told = await snapshot();
    if (!told) return;
    this.#all.push(
      ...told.instances.map(({ name }) => ({ kind: "agent", text: visible(name), link: then(instance(name)) })),
      ...told.topics.map(({ topic }) => ({ kind: "topic", text: visible(topic), link: then(`/conversation?topic=${encodeURIComponent(topic)}`) })),
    );
    this.#look(this.#found[this.#at]);
  }

  #make() {
    this.#list = made("ul");
    this.#list.id = "palette-lines";
    this.#list.setAttribute("role", "listbox");
    this.#list.setAttribute("aria-label", "Found");
    this.#field = made("input");
    this.#field.type = "text";
    this.#field.autocomplete = "off";
    this.#field.spellcheck = false;
    this.#field.placeholder = "page, agent or topic";
    for (const [name, value] of [["role", "combobox"], ["aria-label", "Page, agent or topic"], ["aria-expanded", "true"],
      ["aria-controls", this.#list.id], ["aria-autocomplete", "list"]]) this.#field.setAttribute(name, value);
    this.#field.addEventListener("input", () => this.#look());
    this.#field.addEventListener("keydown", (event) => this.#pressed(event));
  }

  // `chosen` stays so, if it is still there.
  #look(chosen) {
    this.#found = rank(this.#all, this.#field.value).slice(0, MOST);
    this.#list.replaceChildren(...this.#found.map((each, nth) => this.#line(each, nth)));
    if (this.#found.length === 0) this.#list.replaceChildren(nothing(this.#field.value));
    this.#choose(Math.max(0, this.#found.indexOf(chosen)));
  }

  #line(each, nth) {
    const line = made("li");
    line.id = `palette-${nth}`;
    line.setAttribute("role", "option");
    const name = made("bdi", each.kind === "agent" ? `name h${hue(each.text)}` : each.kind, each.text);
    line.append(name, " ", made("span", "kind", each.kind));
    line.addEventListener("click", () => go(each));
    return line;
  }

  #choose(at) {
    this.#at = at;
    if (this.#found.length === 0) return this.#field.removeAttribute("aria-activedescendant");
    for (const [nth, line] of Array.from(this.#list.children).entries()) line.setAttribute("aria-selected", String(nth === at));
    this.#field.setAttribute("aria-activedescendant", `palette-${at}`);
    this.#list.children[at].scrollIntoView({ block: "nearest" });
  }

  #pressed(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const many = this.#found.length;
    if (by && many > 0) this.#choose((this.#at + by + many) % many);
    else if (event.key === "Enter" && !event.isComposing && many > 0) go(this.#found[this.#at]);
    else return;
    event.preventDefault();
  }
}

const go = ({ link }) => location.assign(link);

function nothing(asked) {
  const line = made("li", "nothing");
  line.setAttribute("role", "option");
  line.setAttribute("aria-disabled", "true");
  line.append("No page, agent or topic is called ", made("bdi", "", asked), ".");
  return line;
}

async function snapshot() {
  try {
    const answer = await fetch("/api/v1/snapshot?recent=0", { cache: "no-store" });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null; // no hub answers: the pages are there all the same
  }
}
