// Where each of many rows stands in a roll that is only partly drawn. Pure: numbers in, numbers out, all in px.

// Rows of one height.
export class Even {
  constructor(height) {
    this.height = height;
    this.length = 0;
  }

  get total() {
    return this.length * this.height;
  }

  top(place) {
    return place * this.height;
  }

  // The row at this height.
  at(y) {
    return Math.max(0, Math.min(this.length - 1, Math.floor(y / this.height)));
  }

  push(count) {
    this.length += count;
  }

  unshift(count) {
    this.length += count;
  }

  shift(count) {
    this.length -= count;
  }
}

// Rows that each have their own height, guessed until it was measured: a Fenwick tree of their sums, so that neither
// finding a row nor correcting one goes through them all. (https://doi.org/10.1002/spe.4380240306)
export class Uneven {
  constructor(guess) {
    this.guess = guess;
    this.heights = [];
    this.#sum();
  }

  get length() {
    return this.heights.length;
  }

  get total() {
    return this.top(this.length);
  }

  top(place) {
    let sum = 0;
    for (let node = place; node > 0; node -= node & -node) sum += this.tree[node];
    return sum;
  }

  at(y) {
    let place = 0;
    let rest = y;
    for (let step = 1 << Math.floor(Math.log2(Math.max(1, this.length))); step > 0; step >>= 1) {
      const next = place + step;
      if (next <= this.length && this.tree[next] <= rest) {
        place = next;
        rest -= this.tree[next];
      }
    }
    return Math.max(0, Math.min(this.length - 1, place));
  }

  // A row was measured. Says whether it is not as it was thought to be.
  measure(place, height) {
    const change = height - this.heights[place];
    if (change === 0) return false;
    this.heights[place] = height;
    for (let node = place + 1; node <= this.length; node += node & -node) this.tree[node] += change;
    return true;
  }

  push(count) {
    for (let n = 0; n < count; n += 1) {
      const node = this.heights.push(this.guess);
      let sum = this.guess;
      for (let child = node - 1; child > node - (node & -node); child -= child & -child) sum += this.tree[child];
      this.tree[node] = sum;
    }
  }

  unshift(count) {
    this.heights = [...Array(count).fill(this.guess), ...this.heights];
    this.#sum();
  }

  shift(count) {
    this.heights = this.heights.slice(count);
    this.#sum();
  }

  #sum() {
    this.tree = [0, ...this.heights];
    for (let node = 1; node < this.tree.length; node += 1) {
      const parent = node + (node & -node);
      if (parent < this.tree.length) this.tree[parent] += this.tree[node];
    }
  }
}

// The rows to draw, from `from` up to but without `to`: those in sight, and `spare` px above and below.
export function inSight(rows, top, height, spare) {
  if (rows.length === 0) return { from: 0, to: 0 };
  return { from: rows.at(Math.max(0, top - spare)), to: Math.min(rows.length, rows.at(top + height + spare) + 1) };
}
