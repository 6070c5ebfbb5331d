// What is wrong with the hub, above a page that draws itself: the same strip as templates/parts.html draws.

import { made } from "./dialog.js";
import { visible } from "./words.js";

// `problems` is why the hub is not ready; what else a person has to know stays as it is.
export function troubles(problems) {
  const strip = document.querySelector(".troubles");
  const said = problems.map(visible);
  const stand = Array.from(strip?.querySelectorAll(".problem bdi") ?? [], (each) => each.textContent);
  if (said.join("\n") === stand.join("\n")) return; // a screen reader says again what is set again
  const notices = Array.from(strip?.querySelectorAll(".notice") ?? []);
  strip?.remove();
  if (said.length + notices.length === 0) return;
  const fresh = made("section", "troubles");
  fresh.setAttribute("role", "alert");
  fresh.setAttribute("aria-label", "What is wrong");
  fresh.append(...said.map(problem), ...notices);
  document.getElementById("content").before(fresh);
}

function problem(text) {
  const line = made("p", "problem");
  line.append(made("strong", "", "Not ready"), " ", made("bdi", "", text));
  return line;
}
