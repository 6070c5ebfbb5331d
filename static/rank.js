// Which of many lines fit some letters best: pure.

// Those that hold the letters in their order, the best first: one that begins with them before one where a word does,
// before one that has them together, before one that has them at all; among equals the shorter, then as they came.
export function rank(lines, asked) {
  const wanted = asked.trim().toLowerCase();
  if (!wanted) return lines;
  return lines
    .map((line, place) => ({ line, place, worth: worth(line.text.toLowerCase(), wanted) }))
    .filter((each) => each.worth > 0)
    .sort((one, other) => other.worth - one.worth || one.line.text.length - other.line.text.length || one.place - other.place)
    .map((each) => each.line);
}

function worth(text, wanted) {
  const at = text.indexOf(wanted);
  if (at === 0) return 4;
  if (at > 0) return /[^\p{L}\p{N}]/u.test(text[at - 1]) ? 3 : 2;
  let from = 0;
  for (const letter of wanted) {
    const found = text.indexOf(letter, from);
    if (found < 0) return 0;
    from = found + 1;
  }
  return 1;
}
