from __future__ import annotations

import re

import pytest

from dashboard.markdown import MOST, markdown
from tests.dashboard.hours import HOSTILE
from tests.dashboard.reading import Reading

TAGS = {"p", "br", "h3", "h4", "h5", "h6", "ul", "ol", "li", "em", "strong", "s", "code", "pre", "blockquote", "hr"}
TAGS |= {"a", "table", "thead", "tbody", "tr", "th", "td"}


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain", "<p>plain</p>\n"),
        ("one\ntwo", "<p>one<br />\ntwo</p>\n"),
        ("# Title", "<h3>Title</h3>\n"),
        ("###### small", "<h6>small</h6>\n"),
        ("~~no~~ **yes**", "<p><s>no</s> <strong>yes</strong></p>\n"),
        ("```py\n<x>\n```", '<pre><code class="language-py">&lt;x&gt;\n</code></pre>\n'),
        ("<b>bold</b>", "<p>&lt;b&gt;bold&lt;/b&gt;</p>\n"),
        ("<div>\n\nx\n\n</div>", "<p>&lt;div&gt;</p>\n<p>x</p>\n<p>&lt;/div&gt;</p>\n"),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>\n"),
        ("[x](/api/v1/links)", "<p>[x](/api/v1/links)</p>\n"),
        ("[x](data:text/html,x)", "<p>[x](data:text/html,x)</p>\n"),
    ],
)
def test_markdown_without_html(text: str, html: str) -> None:
    assert markdown(text) == html


def test_a_link_leads_out_in_a_window_of_its_own_and_tells_nothing() -> None:
    (link,) = (attributes for tag, attributes in Reading(markdown("[x](https://a.b/?q=1)")).elements if tag == "a")
    assert link == {"href": "https://a.b/?q=1", "rel": "noopener noreferrer nofollow", "target": "_blank"}


def test_an_image_is_a_link_and_loads_nothing() -> None:
    assert "<img" not in markdown("![spy](https://a.b/pixel.png)")


def test_a_table_has_no_style_of_its_own() -> None:
    html = markdown("| a | b |\n|:--|--:|\n| 1 | 2 |")
    assert "<td>1</td>" in html
    assert "style" not in html


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    "around", ["{}", "# {}", "- {}", "[{}]({})", "![{}]({})", "```{}\n{}\n```", "<{}>", "|{}|\n|-|\n|{}|"]
)
def test_nothing_hostile_gets_through(text: str, around: str) -> None:
    page = Reading(markdown(around.replace("{}", text)))
    assert {tag for tag, _ in page.elements} <= TAGS
    for tag, attributes in page.elements:
        allowed = {"a": {"href", "rel", "target", "title"}, "code": {"class"}, "ol": {"start"}}.get(tag, set())
        assert set(attributes) <= allowed
        assert re.match("(https?|mailto):", attributes.get("href") or "http:")


def test_no_more_than_a_bounded_part_is_read() -> None:
    assert len(markdown("x" * (2 * MOST))) < MOST + 10
