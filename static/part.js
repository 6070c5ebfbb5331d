// Sends the forms of templates/part-forms.html without leaving the page. Without this they send the browser to the hub and
// back; with it, what the hub answers stands beside the form, and a text is cleared only once the hub has it.

import "./above.js";
import { made } from "./dialog.js";
import { plural } from "./words.js";

const ids = new WeakMap(); // of what was sent and not answered yet: sent again, it is stored once

addEventListener("submit", (event) => {
  if (!event.target.matches("form.part")) return;
  event.preventDefault();
  send(event.target);
});

async function send(form) {
  if (form.dataset.busy) return;
  form.dataset.busy = "yes";
  const fields = new URLSearchParams(new FormData(form));
  if (fields.has("id")) {
    if (!ids.has(form)) ids.set(form, fields.get("id"));
    fields.set("id", ids.get(form));
  }
  try {
    const answer = await fetch(form.action, { method: "POST", body: fields, headers: { Accept: "application/json" }, cache: "no-store" });
    const told = await answer.json();
    if (answer.ok) done(form, fields, told);
    else tell(form, [told.message, told.hint].filter(Boolean).join(" "), true);
  } catch {
    tell(form, "No hub answered. Nothing is lost here: try again when it is back.", true);
  } finally {
    delete form.dataset.busy;
  }
}

function done(form, fields, told) {
  ids.delete(form);
  const name = fields.get("as");
  // The name stays, for every form of the page; a text that the hub has goes.
  for (const field of form.querySelectorAll("textarea, input:not([type=hidden]):not([name=as]):not([name=to])")) field.value = field.defaultValue;
  if (name) for (const field of document.querySelectorAll("form.part input[name=as]")) field.value = name;
  tell(form, words(fields.get("do"), told), false);
  form.dispatchEvent(new CustomEvent("hubbub:done", { bubbles: true }));
}

function words(what, told) {
  switch (what) {
    case "say":
      return told.hint ?? (told.to.length === 1 ? `Sent to ${told.to[0].name}.` : `Sent to ${plural(told.recipients, "recipient")}.`);
    case "purge":
      return `${plural(told.purged, "message")} purged.`;
    case "unhold":
    case "resume":
      return told.dropped ? `${told.released} sent, ${told.dropped} dropped.` : `${told.released} sent.`;
    default:
      return "Done.";
  }
}

function tell(form, text, refused) {
  const place = form.querySelector(".answer");
  place.replaceChildren(...text.split(/`([^`\n]+)`/).map((each, nth) => (nth % 2 ? made("code", "", each) : each)));
  place.classList.toggle("refused", refused);
}
