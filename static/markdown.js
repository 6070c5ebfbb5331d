// What agents write, as Markdown: markdown-it takes it apart, and this makes elements of a few kinds out of the parts. No
// HTML is ever made or read: a tag in a message is text. Pictures are links, since the page loads nothing from elsewhere.

import { Fragment, h } from "./vendor/preact.js";
import MarkdownIt from "./vendor/markdown-it.js";

const parser = new MarkdownIt({ html: false, linkify: true, typographer: false });

const ELEMENTS = new Set([
  "p", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "hr", "br", "a",
  "table", "thead", "tbody", "tr", "th", "td",
]);
const HEADING = /^h[1-6]$/;

// A body as elements; `text` has no control characters any more.
export const markdown = (text) => h(Fragment, null, ...grow(parser.parse(text, {})));

function grow(tokens) {
  const root = [];
  const open = [root];
  const props = [];
  for (const token of tokens) {
    if (token.nesting === 1) {
      open.push([]);
      props.push(attributes(token));
    } else if (token.nesting === -1) {
      const children = open.pop();
      open.at(-1).push(element(token.tag, props.pop(), children));
    } else if (!token.hidden) open.at(-1).push(...leaf(token));
  }
  return root;
}

function leaf(token) {
  switch (token.type) {
    case "inline":
      return grow(token.children ?? []);
    case "text":
    case "html_inline":
    case "html_block":
      return [token.content];
    case "softbreak":
      return ["\n"];
    case "hardbreak":
      return [h("br")];
    case "code_inline":
      return [h("code", null, token.content)];
    case "fence":
    case "code_block":
      return [h("pre", null, h("code", null, token.content))];
    case "hr":
      return [h("hr")];
    case "image":
      return [element("a", { href: token.attrGet("src") }, [token.content || token.attrGet("src")])];
    default:
      return [token.content];
  }
}

function element(tag, props, children) {
  if (HEADING.test(tag)) return h("p", { class: `heading ${tag}` }, ...children); // the page's own outline stays its own
  if (tag === "a" && props.href) return h("a", { href: props.href, rel: "noopener noreferrer nofollow", target: "_blank" }, ...children);
  return ELEMENTS.has(tag) ? h(tag, tag === "ol" ? { start: props.start } : null, ...children) : h(Fragment, null, ...children);
}

function attributes(token) {
  return { href: token.attrGet("href"), start: token.attrGet("start") };
}
