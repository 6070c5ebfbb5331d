// The addresses of the pages that names, topics, threads and messages lead to. The same as dashboard/links.py.

const escaped = encodeURIComponent;

export const instance = (name) => `/instances/${escaped(name)}`;

export const thread = (name) => `/conversation?thread=${escaped(name)}`;

// That of an inbox is its owner's page.
export const topic = (name) =>
  name.startsWith("inbox.") ? instance(name.slice("inbox.".length)) : `/conversation?topic=${escaped(name)}`;

// Where a person holds a queue, by its topic, or lets it go; of an inbox, all that can be done about its owner.
export const step = (name) =>
  name.startsWith("inbox.") ? `${topic(name)}#step` : `/part?queue=${escaped(name === "all" ? name : `#${name}`)}#queues`;

// By its id, or by its offset where an address would not keep the id.
export const message = (id, offset) => `/messages/${offset !== undefined && /^\.*$/.test(id) ? offset : escaped(id)}`;

export const attachment = (sha256, id) => `/api/v1/attachments/${escaped(sha256)}?message=${escaped(id)}`;

// The moment that this page shows, as its address has it; nothing of the present.
export const moment = () => new URLSearchParams(location.search).get("at")?.trim();

// The same of the moment that this page shows, where that is an earlier one.
export function then(address) {
  const at = moment();
  return at ? `${address}${address.includes("?") ? "&" : "?"}${new URLSearchParams({ at })}` : address;
}
