"""Where figures are kept: JSON, pictures, and docs/performance.md."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import picture
from benchmarks.aims import HUBBUB
from benchmarks.figures import Result, result
from benchmarks.page import page

ROOT = Path(__file__).parents[1]
HERE = ROOT / "benchmarks" / "results"
DOCS = ROOT / "docs"
PAGE = DOCS / "performance.md"
BEGIN, END = "<!-- figures: make bench writes what follows -->", "<!-- figures: end -->"


def keep(found: Result, here: dict[str, Any], path: Path = HERE / "performance.json") -> None:
    """Put a result among those that are there already, by its work's name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = load(path)
    kept[found.work] = {"machine": here, "result": asdict(found)}
    _save(kept, path)


def load(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}


def write(done: list[str], *, into_docs: bool) -> None:
    """Draw what is kept; if asked, bring docs/performance.md up to date with the works that were just done."""
    kept = load(HERE / "performance.json")
    _draw(kept, HERE)
    print(f"\nFigures: {HERE.relative_to(ROOT)}/performance.json, pictures beside it.")
    if not into_docs:
        print("docs/performance.md is as it was: that takes five rounds or more.")
        return
    both = load(DOCS / "performance.json") | {name: kept[name] for name in done}
    _save(both, DOCS / "performance.json")
    _draw(both, DOCS / "images")
    put(PAGE, BEGIN, END, page(both))
    print("docs/performance.md has them as well.")


def put(path: Path, begin: str, end: str, what: str) -> None:
    """Replace what stands between two marks in a file."""
    before, _, rest = path.read_text("utf-8").partition(begin)
    path.write_text(f"{before}{begin}\n\n{what.strip()}\n\n{end}{rest.partition(end)[2]}", "utf-8")


def _save(kept: dict[str, Any], path: Path) -> None:
    from benchmarks.works import ALL

    order = {work.name: number for number, work in enumerate(ALL)}
    kept = dict(sorted(kept.items(), key=lambda each: order.get(each[0], len(order))))
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _draw(kept: dict[str, Any], folder: Path) -> None:
    results = [result(each["result"]) for each in kept.values()]
    bars = [each for each in results if not each.work.startswith("growth")]
    curves = [each for each in results if each.work.startswith("growth")]
    if bars:
        (folder / "performance.svg").write_text(picture.bars(bars, HUBBUB), "utf-8")
    if curves:
        (folder / "growth.svg").write_text(picture.curves(curves), "utf-8")
