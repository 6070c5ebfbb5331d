// Opens the form that a link leads to above the page, so that nobody has to leave it: links with `data-form`, whose
// address ends with the id of the heading that the form stands under. It is the form of that other page, and
// static/part.js sends it here as it does there.

import { Dialog } from "./dialog.js";
import { plainly } from "./clicks.js";

const dialog = new Dialog("", "above");

document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("a[data-form]");
  if (!link || !plainly(event)) return;
  event.preventDefault();
  const section = await fetched(link);
  if (!section) return location.assign(link.href);
  dialog.title = link.getAttribute("aria-label");
  dialog.open(section);
  const fields = Array.from(section.querySelectorAll("input:not([type=hidden]), textarea"));
  fields.find((each) => each.required && !each.value)?.focus();
});

// What was asked for is done, and the page beneath shows it.
document.addEventListener("hubbub:done", ({ target }) => target.closest("dialog.above") && dialog.close());

// What stands under the heading; null if no hub answers, or with something else.
async function fetched(link) {
  try {
    const answer = await fetch(link.href, { headers: { Accept: "text/html" }, cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const heading = page.getElementById(decodeURIComponent(link.hash.slice(1)));
    const section = heading?.closest("section");
    if (!section) return null;
    heading.remove();
    section.removeAttribute("aria-labelledby");
    for (const each of section.querySelectorAll("[id]")) each.removeAttribute("id"); // this page may have them too
    return document.importNode(section, true);
  } catch {
    return null;
  }
}
