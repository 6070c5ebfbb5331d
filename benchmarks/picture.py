"""Figures drawn as SVG, by hand: bars with their spread, and curves. They follow the reader's light or dark scheme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.figures import Contender, Result

WIDTH = 860
NAME, BAR = 215, 450  # where bars begin, and how long the longest is
ROW, HEAD, GAP = 22, 30, 18

STYLE = """<style>
text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600}.soft{fill:#59636e}
.ours{fill:#0969da}.theirs{fill:#afb8c1}.line{stroke:#59636e;stroke-width:1.2;fill:none}
.c0{stroke:#0969da;fill:#0969da}.c1{stroke:#bf8700;fill:#bf8700}.c2{stroke:#8250df;fill:#8250df}.curve{fill:none;stroke-width:2}
.grid{stroke:#d1d9e0}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.soft{fill:#9198a1}.ours{fill:#4493f8}.theirs{fill:#59636e}
.line{stroke:#9198a1}.c0{stroke:#4493f8;fill:#4493f8}.c1{stroke:#d29922;fill:#d29922}.c2{stroke:#ab7df8;fill:#ab7df8}
.curve{fill:none}.grid{stroke:#3d444d}}
</style>"""


def bars(results: Sequence[Result], ours: str) -> str:
    """A panel a work: the median as a bar, a line from the lowest round to the highest."""
    parts: list[str] = []
    y = 10.0
    for found in results:
        measured = [each for each in found.contenders if each.samples]
        if not measured:
            continue
        parts.append(_text(10, y + 14, f"{found.title}", "title"))
        parts.append(_text(WIDTH - 10, y + 14, f"{found.unit}, {found.better} is better", "soft", "end"))
        y += HEAD
        most = max(each.value.highest for each in measured if each.value)
        for each in measured:
            parts += _bar(each, y, most, each.name.startswith(ours))
            y += ROW
        y += GAP
    return _svg(y, parts, "Speed of Hubbub beside others")


def _bar(who: Contender, y: float, most: float, is_ours: bool) -> list[str]:
    value = who.value
    assert value is not None
    scale = BAR / most if most else 0
    low, high = NAME + value.lowest * scale, NAME + value.highest * scale
    middle = y + ROW / 2 - 2
    kind = "ours" if is_ours else "theirs"
    wide = max(1, value.median * scale)
    ends = "".join(f"M{x:.1f} {middle - 4:.1f}v8" for x in (low, high))
    return [
        _text(NAME - 8, y + 14, who.name, "", "end"),
        f'<rect class="{kind}" x="{NAME}" y="{y + 2:.1f}" width="{wide:.1f}" height="{ROW - 7}" rx="2"/>',
        f'<path class="line" d="M{low:.1f} {middle:.1f}H{high:.1f}{ends}"/>',
        _text(max(high, NAME + value.median * scale) + 8, y + 14, _short(value.median), "soft"),
    ]


def curves(results: Sequence[Result]) -> str:
    """A panel a work: its contenders are named for where they stand on the axis, "10 subscribers"."""
    parts: list[str] = []
    high, left, wide = 150, 90, WIDTH - 260
    y = 10.0
    for found in results:
        lines = _lines(found)
        if not lines:
            continue
        places = sorted({place for line in lines.values() for place, _ in line})
        values = [value for line in lines.values() for _, value in line]
        top = max(values) * 1.1
        span = math.log10(places[-1] / places[0]) if len(places) > 1 else 1
        parts.append(_text(10, y + 14, found.title, "title"))
        parts.append(_text(WIDTH - 10, y + 14, f"{found.unit}, flat is good", "soft", "end"))
        base = y + HEAD + high

        def at(
            place: float,
            value: float,
            base: float = base,
            span: float = span,
            top: float = top,
            first: float = places[0],
        ) -> tuple[float, float]:
            return left + wide * math.log10(place / first) / span, base - high * value / top

        parts += [
            f'<path class="grid" d="M{left} {base - high * part:.1f}h{wide}"/>' for part in (0, 0.25, 0.5, 0.75, 1)
        ]
        parts += [_text(left - 8, base - high * part + 4, _short(top * part), "soft", "end") for part in (0, 0.5, 1)]
        parts += [_text(at(place, 0)[0], base + 18, f"{place:,.0f}", "soft", "middle") for place in places]
        for number, (name, line) in enumerate(lines.items()):
            path = " ".join(f"{x:.1f},{there:.1f}" for x, there in (at(*point) for point in line))
            parts.append(f'<polyline class="curve c{number % 3}" style="fill:none" points="{path}"/>')
            parts += [
                f'<circle class="c{number % 3}" cx="{x:.1f}" cy="{there:.1f}" r="3"/>'
                for x, there in (at(*p) for p in line)
            ]
            x, there = at(*line[-1])
            parts.append(_text(x + 10, there + 4, name, ""))
        y = base + 30 + GAP
    return _svg(y, parts, "How the cost of a message grows")


def _lines(found: Result) -> dict[str, list[tuple[float, float]]]:
    """Curves by name. A contender is called "1,000 subscribers" or "1,000 topics, wildcards"."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for each in found.contenders:
        if each.value is not None:
            place, _, name = each.name.partition(" ")
            lines.setdefault(name, []).append((float(place.replace(",", "")), each.value.median))
    return lines


def _short(value: float) -> str:
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if value >= size * 10 or (value >= size and size > 1e3):
            return f"{value / size:.3g}{unit}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _text(x: float, y: float, said: str, kind: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(said)}</text>'


def _svg(height: float, parts: list[str], title: str) -> str:
    inner = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'height="{height:.0f}" role="img"><title>{title}</title>\n{STYLE}\n{inner}\n</svg>\n'
    )
