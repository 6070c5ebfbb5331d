// One observer's session with the hub, which comes back by itself. It says at any time how true the page is:
//   connecting · live · behind (by how many) · waiting (to reconnect) · out (and why: trying again would not help)

const PROTOCOL = "hubbub.v1";
const CREDIT = 256;
const ACKNOWLEDGE = 64; // messages taken before `received` is sent without waiting for more
const SILENCE = 15_000; // ms without a frame after which the hub is asked whether it is there
const ANSWER = 10_000; // ms it has to answer
const LATE = 1_000; // ms the page may be behind before it says so: a snapshot can overtake the messages it counts
const FIRST_WAIT = 250;
const LONGEST_WAIT = 10_000;
const UNAUTHORIZED = 4511;

export class Live {
  #socket = null;
  #attempt = 0;
  #taken = 0;
  #timers = { retry: null, received: null, pulse: null, late: null };
  #ref = 1;

  // `on` has state(state), message(frame), gap(frame), welcome(frame, whether the numbering is another one),
  // status(status) and signedOut(): a promise of whether this browser is no longer let in.
  constructor({ url, resume, epoch, on }) {
    Object.assign(this, { url, offset: resume, head: resume, epoch, on });
    this.state = { kind: "still" };
  }

  start() {
    this.#say({ kind: "connecting" });
    this.#connect();
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.#hurry());
  }

  // The hub was seen to be at `head`: what lies between is on its way, or the page is behind.
  sawHead(head) {
    this.head = Math.max(this.head, head);
    this.#judge();
  }

  stop(why) {
    this.#clear();
    this.#say({ kind: "out", why });
    this.#socket?.close();
    this.#socket = null;
  }

  #say(state) {
    this.state = state;
    this.on.state(state);
  }

  #connect() {
    this.#clear();
    const socket = new WebSocket(this.url, PROTOCOL);
    this.#socket = socket;
    const mine = (handler) => (event) => socket === this.#socket && handler(event);
    let opened = false;
    socket.onopen = mine(() => {
      opened = true;
      const { offset: resume, epoch } = this;
      this.#send({ type: "hello", ref: 1, observe: true, resume, epoch, credit: CREDIT, client: "dashboard" });
      this.#expect();
    });
    socket.onmessage = mine(({ data }) => {
      this.#expect();
      this.#hear(JSON.parse(data));
    });
    socket.onclose = mine(({ code, reason }) => this.#lost(code, reason, opened));
    this.#expect();
  }

  #send(frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #hear(frame) {
    switch (frame.type) {
      case "welcome":
        this.#welcome(frame);
        break;
      case "message":
        if (frame.offset > this.offset) {
          this.offset = frame.offset;
          this.on.message(frame);
        }
        this.#took();
        break;
      case "gap":
        this.offset = Math.max(this.offset, frame.to);
        this.on.gap(frame);
        this.#judge();
        break;
      case "reply":
        if (frame.status) {
          this.sawHead(frame.status.head ?? 0);
          this.on.status(frame.status);
        }
        break;
      case "error":
        console.info(`hubbub: ${frame.message} ${frame.hint ?? ""}`);
        break;
    }
  }

  #welcome(frame) {
    const other = frame.epoch !== this.epoch;
    if (other || frame.resumed === false) this.offset = frame.head;
    this.epoch = frame.epoch;
    this.head = Math.max(frame.head, this.offset);
    this.#attempt = 0;
    this.#say(this.head > this.offset ? { kind: "behind", by: this.head - this.offset } : { kind: "live" });
    this.on.welcome(frame, other);
  }

  #took() {
    this.#taken += 1;
    const answer = () => {
      clearTimeout(this.#timers.received);
      this.#timers.received = null;
      this.#taken = 0;
      this.#send({ type: "received", offset: this.offset });
    };
    // By count as well as by clock: a page in the background gets its timers once a minute only.
    if (this.#taken >= ACKNOWLEDGE) answer();
    else this.#timers.received ??= setTimeout(answer, 30);
    this.#judge();
  }

  #judge() {
    if (this.state.kind !== "live" && this.state.kind !== "behind") return;
    const by = this.head - this.offset;
    if (by <= 0) {
      clearTimeout(this.#timers.late);
      this.#timers.late = null;
      if (this.state.kind === "behind") this.#say({ kind: "live" });
    } else if (this.state.kind === "behind") {
      if (this.state.by !== by) this.#say({ kind: "behind", by });
    } else {
      this.#timers.late ??= setTimeout(() => {
        this.#timers.late = null;
        const still = this.head - this.offset;
        if (this.state.kind === "live" && still > 0) this.#say({ kind: "behind", by: still });
      }, LATE);
    }
  }

  // How the hub is: the answer comes as `on.status`.
  ask() {
    this.#send({ type: "status", ref: ++this.#ref });
  }

  // A browser cannot ping, and a socket whose other end vanished stays open for minutes: so ask.
  #expect() {
    clearTimeout(this.#timers.pulse);
    this.#timers.pulse = setTimeout(() => {
      this.ask();
      this.#timers.pulse = setTimeout(() => this.#lost(1006, "", true), ANSWER);
    }, SILENCE);
  }

  async #lost(code, reason, opened) {
    this.#socket?.close();
    this.#socket = null;
    this.#clear();
    if (code === UNAUTHORIZED) return this.stop("signed out");
    if (code >= 4500 && code <= 4999) return this.stop(reason || `the hub closed with ${code}`);
    this.#wait();
    // A refused handshake looks like an absent hub here; only a request can tell the two apart.
    if (!opened && (await this.on.signedOut())) this.stop("signed out");
  }

  #wait() {
    const longest = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#attempt);
    const delay = longest * (0.5 + Math.random() / 2); // not all pages in the same instant
    this.#attempt += 1;
    if (this.state.kind !== "waiting") this.#say({ kind: "waiting" });
    this.#timers.retry = setTimeout(() => this.#connect(), delay);
  }

  #hurry() {
    if (this.state.kind === "waiting") this.#connect();
    else if (this.#socket?.readyState === WebSocket.OPEN) this.ask();
  }

  #clear() {
    for (const name of Object.keys(this.#timers)) {
      clearTimeout(this.#timers[name]);
      this.#timers[name] = null;
    }
    this.#taken = 0;
  }
}
