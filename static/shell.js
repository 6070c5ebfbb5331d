// What stands on every page around its own content: the theme, how true the page is, and what to do if it is not.

import { copies } from "./copy.js";
import { made } from "./dialog.js";
import { Keys } from "./keys.js";
import { Live } from "./live.js";
import { remember } from "./memory.js";
import { Notices } from "./notices.js";
import { clock, instant, plural, standstill } from "./words.js";

const BREAK = 3_000; // ms without a hub before the page says more than that it is reconnecting

const STEPS = /^\$(held|hold|loop|pause)\./; // facts after which more or less is held than before

const root = document.documentElement;

export class Shell {
  #live = document.querySelector(".live");
  #still = document.querySelector(".standstill");
  #banner = document.querySelector(".banner");
  #notices = new Notices();
  #state = { kind: "still" };
  #lost = null; // runs out when a break has become more than that
  #gone = false; // it has
  #at; // the moment the page shows
  #past; // whether that is an earlier one
  #version; // the hub's, when this page came
  #newer = null; // the hub's, where it is another by now

  // `state` is what the server left in the page: its moment, and where the hub's log ended then.
  constructor(state) {
    this.#at = instant(state.at);
    this.#past = state.past;
    this.#version = state.hub.version;
    document.querySelector(".theme").addEventListener("click", theme);
    new Keys();
    copies();
  }

  // One observer's session, which moves the live state. `on` has what Live's has, but `state` and `signedOut`.
  observe({ resume, epoch, on }) {
    const session = new Live({
      url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`,
      resume,
      epoch,
      on: {
        gap() {},
        ...on,
        status: (told) => {
          if ("held" in told) this.#hold(told);
          on.status?.(told);
        },
        state: (state) => this.#say(state, on.state),
        message: (frame) => {
          on.message(frame);
          this.#notices.hear(frame);
          if (STEPS.test(frame.topic)) session.ask();
        },
        signedOut,
      },
    });
    session.start();
    return session;
  }

  // The page shows another moment now, as the hub of this version told it.
  of({ at, past, hub }) {
    this.#at = instant(at);
    this.#past = past;
    if ("held" in hub) this.#hold(hub);
    this.#newer = hub.version === this.#version ? null : hub.version;
    this.#draw();
  }

  // Whether a hub answered what the page asked: for a page that has no session of its own.
  answers(does) {
    if (this.#gone !== does) return;
    this.#gone = !does;
    root.classList.toggle("stale", !does);
    this.#draw();
  }

  // So much is held or paused, and nobody may wonder why nothing arrives.
  #hold(hub) {
    const held = standstill(hub);
    const parts = [made("strong", "", this.#past ? "Held then" : "Held"), " ", made("span", "", held)];
    put(this.#still, !held ? [] : this.#past ? parts : [linked("/part", ...parts)]);
  }

  #say(state, also) {
    this.#state = state;
    const absent = state.kind === "waiting";
    if (!absent && state.kind !== "connecting") {
      clearTimeout(this.#lost);
      this.#lost = null;
      this.#gone = false;
    } else if (absent) {
      this.#lost ??= setTimeout(() => {
        this.#gone = true;
        this.#notices.lost();
        this.#draw();
      }, BREAK);
    }
    root.classList.toggle("stale", absent || state.kind === "out");
    this.#draw();
    also?.(state);
  }

  #draw() {
    this.#live.dataset.state = this.#state.kind;
    put(this.#live.querySelector(".word"), [this.#word()]);
    put(this.#banner, this.#advice());
  }

  #word() {
    const { kind, by, why } = this.#state;
    switch (kind) {
      case "still":
        return `as of ${this.#stood()}`;
      case "behind":
        return `${plural(by, "message")} behind`;
      case "waiting":
        return "reconnecting";
      case "out":
        return why === "signed out" ? "signed out" : "closed";
      default:
        return kind;
    }
  }

  // What to do about a page that is not live, once that is more than a moment's break.
  #advice() {
    const { kind, why } = this.#state;
    const stood = this.#stood();
    if (kind === "out" && why === "signed out")
      return [`This browser is signed out; what stands here is of ${stood}. A fresh link: `, made("code", "", "hubbub open")];
    if (kind === "out")
      return [`The hub ended this page’s session: ${why}. What stands here is of ${stood}; reload to try again.`];
    if (this.#gone)
      return [
        `No hub answers; what stands here is of ${stood}. This page comes back by itself; to start the hub: `,
        made("code", "", "hubbub start"),
      ];
    if (this.#newer) {
      const reload = made("a", "", "Reload this page");
      reload.href = "";
      return [`The hub is version ${this.#newer} now. `, reload, " to see it with that version’s eyes."];
    }
    return [];
  }

  #stood = () => clock(this.#at, Date.now());
}

// Whether the hub lets this browser in no longer; a hub that does not answer says nothing about that.
async function signedOut() {
  try {
    return (await fetch("/api/v1/status", { cache: "no-store" })).status === 401;
  } catch {
    return false;
  }
}

function theme() {
  root.dataset.theme = { auto: "light", light: "dark", dark: "auto" }[root.dataset.theme] ?? "auto";
  remember("hubbub.theme", root.dataset.theme);
}

function linked(href, ...parts) {
  const link = made("a");
  link.href = href;
  link.append(...parts);
  return link;
}

// Only what is new is written: a screen reader says again what is set again.
function put(place, parts) {
  const said = parts.map((each) => each.textContent ?? each).join("");
  if (place.textContent !== said) place.replaceChildren(...parts);
}
