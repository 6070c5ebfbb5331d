// Runs before the first paint, so that a chosen theme never flashes in the other. Not a module: those wait.
"use strict";

(() => {
  const root = document.documentElement;
  root.classList.add("js");
  try {
    root.dataset.theme = localStorage.getItem("hubbub.theme") ?? "auto";
  } catch {
    root.dataset.theme = "auto"; // storage is refused in this browser: the system's choice it is
  }
})();
