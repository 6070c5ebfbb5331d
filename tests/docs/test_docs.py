"""What the code has, the docs have. Verbs, settings, MCP tools and the database's tables have tests of their own."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import get_args

import pytest

from hub import asyncapi, errors, fold, frames
from tests.invariants import INVARIANTS, Invariant

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*DOCS.glob("*.md"), *ROOT.glob("*.md")]
SPOKEN = list(dict.fromkeys([*get_args(frames.FromClient), *get_args(frames.FromHub)]))
FACTS = sorted(
    value for name, value in vars(fold).items() if name.isupper() and isinstance(value, str) and value != fold.HUB
)


def page(name: str) -> str:
    return (DOCS / name).read_text()


@pytest.mark.parametrize("error", errors.tree(), ids=lambda error: error.__name__)
def test_every_error_stands_in_the_table_with_its_status_and_close_code(error: type[errors.HubbubError]) -> None:
    assert f"| `{error.code}` | {error.status} | {error.close} |" in page("errors.md")


def test_every_code_in_the_table_is_one_that_exists() -> None:
    told = re.findall(r"^\| `(\w+)` \|", page("errors.md"), re.MULTILINE)
    assert sorted(told) == sorted(error.code for error in errors.tree())


@pytest.mark.parametrize("frame", SPOKEN, ids=lambda frame: frame.__name__)
def test_every_frame_and_field_is_explained(frame: type[frames.Frame]) -> None:
    rows = [line for line in page("protocol.md").splitlines() if line.startswith(f"| `{asyncapi.name(frame)}` |")]
    assert rows, f"docs/protocol.md has no row for {asyncapi.name(frame)}"
    if frame is frames.Reply:
        return  # its parts stand beside the requests that they answer
    for field in frame.__struct_encode_fields__:
        assert field == "ref" or f"`{field}`" in " ".join(rows), f"{asyncapi.name(frame)}.{field}"


@pytest.mark.parametrize("part", frames.Reply.__struct_encode_fields__)
def test_every_part_of_a_reply_stands_beside_a_request(part: str) -> None:
    assert f"`{part}`" in page("protocol.md")


@pytest.mark.parametrize("fact", FACTS)
def test_every_fact_is_explained(fact: str) -> None:
    assert f"`{fact}`" in page("protocol.md")


def test_every_metric_is_explained_and_every_explained_one_exists() -> None:
    made = set(re.findall(r'"(hubbub_\w+)"', (ROOT / "hub" / "metrics.py").read_text()))
    told = {name.removesuffix("_total") for name in re.findall(r"`(hubbub_\w+)", page("metrics.md"))}
    assert made == told


def test_the_asyncapi_document_is_what_the_code_says() -> None:
    assert json.loads(page("asyncapi.json")) == asyncapi.document(), "python -m hub.asyncapi > docs/asyncapi.json"


@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda invariant: invariant.name)
def test_every_invariant_is_promised(invariant: Invariant) -> None:
    assert f"| {invariant.name} | {invariant.says} |" in page("reliability.md")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)|srcset=\"([^\"]+)\"|src=\"([^\"]+)\"", path.read_text()):
        link = next(filter(None, target))
        if "://" not in link:
            assert (path.parent / link).exists(), f"{path.name} links to {link}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_to_a_heading_has_that_heading(path: Path) -> None:
    for file, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", path.read_text()):
        if "://" in file:
            continue
        text = (path.parent / file).read_text() if file else path.read_text()
        headings = {_anchor(line) for line in text.splitlines() if line.startswith("#")}
        assert anchor in headings, f"{path.name} links to {file}#{anchor}"


def _anchor(heading: str) -> str:
    """As GitHub makes it."""
    bare = re.sub(r"[^\w\- ]", "", heading.lstrip("#").strip().lower())
    return bare.replace(" ", "-")


def test_the_readme_leads_to_every_page() -> None:
    readme = (ROOT / "README.md").read_text()
    missing = [path.name for path in DOCS.glob("*.md") if f"docs/{path.name}" not in readme]
    assert missing == []


def findings_in_the_code() -> dict[str, tuple[str, bool]]:
    """Each code of a finding: its state, and whether --fix may do something about it."""
    found = {"hop_not_available": ("note", False), "hop_unknown": ("warning", False), "hop_broken": ("broken", False)}
    for path in (ROOT / "hub" / "doctor").glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ("note", "warning", "broken"):
                told = call.args[1] if len(call.args) > 1 else None
                words = (told.body, told.orelse) if isinstance(told, ast.IfExp) else (told,)
                for word in words:
                    if isinstance(word, ast.Constant):
                        found[word.value] = (call.func.id, len(call.args) > 4)  # type: ignore[attr-defined]
    return found


def test_every_finding_of_the_doctor_is_explained_with_its_state_and_what_fix_does() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (note|warning|broken) \| .+ \| (yes)?[^|]*\|$", page("doctor.md"), re.MULTILINE)
    assert {code: (state, fix == "yes") for code, state, fix in rows} == findings_in_the_code()
