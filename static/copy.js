// A message, copied as a link, as Markdown or as JSON: the buttons with `data-copy` below an element with `data-message`
// (its id) and `data-offset`, on whatever page they stand.

import { asJson, asMarkdown } from "./copies.js";

const PLAIN = /^(?=.*[A-Za-z])[A-Za-z0-9_-]+$/; // an id that no address changes, and that is no offset

const key = ({ message, offset }) => (PLAIN.test(message) ? message : offset);

const FORMS = {
  link: (which) => new URL(`/messages/${key(which)}`, location.href).href,
  Markdown: async (which) => asMarkdown("A message", [await fetched(which)]),
  JSON: async (which) => asJson([await fetched(which)]),
};

export function copies() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    const place = button?.closest("[data-message]");
    if (!place) return;
    const done = place.querySelector(".done");
    try {
      await navigator.clipboard.writeText(await FORMS[button.dataset.copy](place.dataset));
      done.textContent = "copied";
    } catch {
      done.textContent = "could not be copied"; // no hub answers, or the browser lets no page copy at this address
    }
  });
}

async function fetched(which) {
  const answer = await fetch(`/api/v1/messages/${key(which)}`, { cache: "no-store" });
  if (!answer.ok) throw new Error(String(answer.status));
  return (await answer.json()).message;
}
