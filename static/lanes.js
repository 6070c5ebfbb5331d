// Which agents have a lane of the diagram, and in what order. Pure.
//
// A lane that is there stays where it is. There are as many as there is room for; who has none shares the last one.

export const MOST_LANES = 12;
export const NARROWEST = 58; // px of a lane

const key = (name) => name.toLowerCase();

export class Lanes {
  // `first` are the names that the page is about: they stand first. `most` counts the shared lane too.
  constructor(first, most) {
    this.first = first.map(key);
    this.most = most;
    this.names = [];
    this.folded = new Map();
    this.places = new Map();
    this.former = new Map(); // key -> a map of the names that its agent has spoken under before
  }

  // An agent has spoken under another name than it has now.
  note(name, before) {
    if (key(name) === key(before)) return;
    if (!this.former.has(key(name))) this.former.set(key(name), new Map());
    this.former.get(key(name)).set(key(before), before);
  }

  // An agent is called otherwise from now on: its lane stays where it is.
  rename(before, name) {
    const place = this.places.get(key(before));
    if (place === undefined || this.places.has(key(name))) return;
    this.places.delete(key(before));
    this.places.set(key(name), place);
    this.names[place] = name;
    for (const each of this.formerly(before)) this.note(name, each);
    this.former.delete(key(before));
    this.note(name, before);
  }

  // Those names, the first of them first.
  formerly(name) {
    return [...(this.former.get(key(name))?.values() ?? [])];
  }

  // Where an agent's lane is; one that is not known yet gets one while there is room.
  of(name) {
    const known = this.places.get(key(name));
    if (known !== undefined) return known;
    if (this.folded.has(key(name))) return this.names.length;
    if (this.folded.size === 0 && this.names.length < this.most) {
      this.places.set(key(name), this.names.length);
      this.names.push(name);
      return this.names.length - 1;
    }
    this.folded.set(key(name), name);
    return this.names.length;
  }

  // How many lanes there are, the shared one included.
  get size() {
    return this.names.length + (this.folded.size > 0 ? 1 : 0);
  }

  // Lanes for these messages, [{from, to}], `to` a list: those who say most come before those who only hear, and all
  // stand in the order in which they first came up.
  static for(said, first, most) {
    const lanes = new Lanes(first, most);
    const order = new Map(); // key -> {name, weight}
    const meet = (name, weight) => {
      const known = order.get(key(name));
      if (known) known.weight += weight;
      else order.set(key(name), { name, weight });
    };
    for (const { from, to } of said) {
      meet(from, 1_000_000);
      for (const name of to) meet(name, to.length === 1 ? 1_000 : 1);
    }
    const all = [...order.values()];
    const named = lanes.first.map((name) => order.get(name)).filter(Boolean);
    const rest = all.filter((each) => !named.includes(each));
    const room = all.length > most ? most - 1 : most;
    const chosen = new Set([...rest].sort((one, other) => other.weight - one.weight).slice(0, Math.max(0, room - named.length)));
    for (const { name } of [...named, ...rest.filter((each) => chosen.has(each))]) lanes.of(name);
    for (const { name } of rest) if (!lanes.places.has(key(name))) lanes.folded.set(key(name), name);
    return lanes;
  }
}
