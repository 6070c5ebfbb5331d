// A conversation in the forms in which it is taken elsewhere. Pure: messages in the hub's JSON form in, text out.

const FENCE = /`{3,}/g;
const LINE = 100; // characters of a message in a diagram

export const asJson = (messages) => JSON.stringify(messages, null, 2) + "\n";

// One message after the other, each body as its author's words and never as part of the page around it.
export function asMarkdown(title, messages) {
  const parts = messages.map(({ from, to, at, body, thread, id, reply_to }) => {
    const about = [thread && `thread ${thread}`, reply_to && `answers ${reply_to}`, id].filter(Boolean).join(" · ");
    return `**${plain(from)}** → **${plain(to)}** · ${at}  \n${plain(about)}\n\n${fenced(body)}`;
  });
  return `# ${plain(title)}\n\n${parts.join("\n\n")}\n`;
}

// https://mermaid.js.org/syntax/sequenceDiagram.html
export function asMermaid(messages) {
  const names = new Map();
  const lines = [];
  const party = (name) => {
    const key = name.toLowerCase();
    if (!names.has(key)) names.set(key, [`p${names.size}`, name]);
    return names.get(key)[0];
  };
  for (const { from, to, body, reply_to } of messages)
    lines.push(`    ${party(from)}${reply_to ? "-->>" : "->>"}${party(to)}: ${mermaid(body)}`);
  const parties = [...names.values()].map(([short, name]) => `    participant ${short} as ${mermaid(name)}`);
  return ["sequenceDiagram", ...parties, ...lines].join("\n") + "\n";
}

// A semicolon ends a line there, and # begins an entity; what could be markup is written as one.
function mermaid(text) {
  const line = text.replace(/\s+/g, " ").trim();
  const shown = Array.from(line).slice(0, LINE).join("");
  const escaped = shown.replace(/[^\p{L}\p{N} .,!?()'/+*=-]/gu, (found) => `#${found.codePointAt(0)};`);
  return (escaped || "#32;") + (shown === line ? "" : "…");
}

function fenced(body) {
  const longest = Math.max(2, ...(body.match(FENCE) ?? []).map((each) => each.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}\n${body}\n${fence}`;
}

const plain = (text) => text.replace(/\s+/g, " ").replace(/[\\`*_{}[\]<>#|]/g, "\\$&");
