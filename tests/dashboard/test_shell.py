"""What stands around every page."""

from __future__ import annotations

import json
import re
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from dashboard.nav import PLACES
from dashboard.shell import shell
from dashboard.views import VIEWS
from tests.dashboard.every import PATHS, address
from tests.dashboard.hours import HOSTILE, a_busy_hour, a_hostile_hour
from tests.dashboard.reading import Reading, browse


def about(**parts: Any) -> dict[str, Any]:
    hour = a_busy_hour()
    return {"at": hour["at"], **hour["hub"], **parts}


def test_every_place_in_the_masthead_is_a_page_with_a_letter_of_its_own() -> None:
    paths = {view.path for view in VIEWS}
    assert {place.path for place in PLACES} <= paths
    keys = [place.key for place in PLACES]
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch("[a-z]", key) for key in keys)


@pytest.mark.parametrize(
    ("path", "here"), [("/", "Overview"), ("/health", "Health"), ("/health/more", "Health"), ("/none", None)]
)
def test_the_masthead_marks_where_one_is(path: str, here: str | None) -> None:
    marked = [each.title for each in shell(about(), path).places if each.here]
    assert marked == ([here] if here else [])


def test_the_shell_tells_the_script_where_to_begin_and_nothing_more() -> None:
    around = shell(about(), "/health", zone=UTC)
    assert around.stood == "12:00:00"
    hub = {"head": 4713, "epoch": "e1", "version": "0.1.0", "held": 2, "holds": 1, "paused": 1}
    assert around.state == {"at": "2026-03-14T12:00:00.000Z", "past": False, "hub": hub}


@pytest.mark.parametrize("path", PATHS)
def test_every_page_has_the_masthead_one_heading_and_a_way_past_it(path: str) -> None:
    hour = a_busy_hour()
    page = Reading(browse(hour).get(address(path, hour)).text)
    tags = [tag for tag, _ in page.elements]
    assert (tags.count("h1"), tags.count("main"), tags.count("header")) == (1, 1, 1)
    skip = next(attributes for tag, attributes in page.elements if attributes.get("class") == "skip")
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert (skip["href"] or "")[1:] in ids
    assert len(set(ids)) == len(ids)
    assert "as of " in page.text


@pytest.mark.parametrize("path", PATHS)
def test_hostile_text_ends_no_script_element_on_any_page(path: str) -> None:
    hour = a_hostile_hour()
    html = browse(hour).get(address(path, hour)).text
    state = html.rsplit('<script type="application/json" id="state">', 1)[1].split("</script>")[0]
    assert not re.search("[<>&]", state)
    assert json.loads(state)["hub"]["version"] == "0.1.0"
    page = Reading(html)
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert HOSTILE[1] in page.text


def test_every_page_is_described_with_its_address() -> None:
    told = (Path(__file__).parents[2] / "docs" / "page.md").read_text(encoding="utf-8")
    for view in VIEWS:
        address = re.sub(r"{(\w+)(:\w+)?}", lambda found: found[1].upper(), view.path)
        assert f"| `{address}` |" in told, f"docs/page.md has no row for {address}"


def test_who_may_not_see_is_shown_no_page(make: Any) -> None:
    for view in VIEWS:
        answer = browse(make.a_busy_hour(), may_see=False).get(view.path.replace("{", "").replace("}", ""))
        assert answer.status_code == 401
        assert "4820" not in answer.text
