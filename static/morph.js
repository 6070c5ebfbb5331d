// Turns what stands into what was fetched, touching only what differs, and nothing that the reader has changed.

import morphdom from "./vendor/morphdom.js";

// Both are elements of the same kind. An element keeps its identity by its id or `data-row`, each once in a page; others
// by their place. `data-own` marks one whose content a script has made and keeps.
export function grow(stands, fetched) {
  const held = stands.contains(document.activeElement) ? document.activeElement : null;
  morphdom(stands, fetched, {
    getNodeKey: (node) => node.id || node.dataset?.row,
    onBeforeElUpdated(old, fresh) {
      if (old.isEqualNode(fresh) || "own" in old.dataset || changed(old)) return false;
      if (old.localName === "details" || old.localName === "dialog") fresh.open = old.open;
      return true;
    },
  });
  // What was moved has lost the focus, and what was made anew in its place never had it.
  if (held && document.activeElement !== held) (held.isConnected ? held : like(held, stands))?.focus({ preventScroll: true });
}

const like = (lost, within) =>
  Array.from(within.getElementsByTagName(lost.localName)).find(
    (each) => each.textContent === lost.textContent && each.getAttribute("href") === lost.getAttribute("href"),
  );

// What was typed or chosen and not yet sent.
function changed(element) {
  switch (element.localName) {
    case "input":
      return element.value !== element.defaultValue || element.checked !== element.defaultChecked;
    case "textarea":
      return element.value !== element.defaultValue;
    case "select": {
      const options = Array.from(element.options);
      return element.selectedOptions[0] !== (options.findLast((each) => each.defaultSelected) ?? options[0]);
    }
    default:
      return false;
  }
}
