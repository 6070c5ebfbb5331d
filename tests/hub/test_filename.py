"""What others call their files becomes a name that is safe to have in a folder, on every system."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.filename import LONGEST, numbered, safe_name

HEBREW = "\u202e"  # from here on the writing runs backwards


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        pytest.param("notes.md", "notes.md", id="a plain name"),
        pytest.param("grüße 2.txt", "grüße 2.txt", id="letters and spaces stay"),
        pytest.param("../../.ssh/authorized_keys", "authorized_keys", id="up and away"),
        pytest.param("..\\..\\boot.ini", "boot.ini", id="the same on Windows"),
        pytest.param("/etc/passwd", "passwd", id="absolute"),
        pytest.param("C:\\x\\y.txt", "y.txt", id="with a drive"),
        pytest.param("C:y.txt", "C_y.txt", id="relative to a drive, or a stream"),
        pytest.param("..", "file", id="only dots"),
        pytest.param(".", "file", id="one dot"),
        pytest.param("", "file", id="nothing"),
        pytest.param("a/", "file", id="a folder"),
        pytest.param(".bashrc", "bashrc", id="hidden"),
        pytest.param("-rf", "rf", id="a flag"),
        pytest.param("-.-rf", "rf", id="a flag behind a dot"),
        pytest.param("~root", "root", id="a home"),
        pytest.param("a\0b\x1b[2J\nc", "ab[2J c", id="control characters"),
        pytest.param(f"invoice{HEBREW}fdp.exe", "invoicefdp.exe", id="an ending read backwards"),
        pytest.param("a\u200bb", "ab", id="unseen"),
        pytest.param("con", "_con", id="a device"),
        pytest.param("NUL.txt", "_NUL.txt", id="a device with an ending"),
        pytest.param("com¹", "_com¹", id="a device with a small number"),
        pytest.param("console.log", "console.log", id="only begins like a device"),
        pytest.param('a<b>c:d"e|f?g*h', "a_b_c_d_e_f_g_h", id="what Windows forbids"),
        pytest.param("trailing. . ", "trailing", id="what Windows cuts off"),
        pytest.param("\ud800x", "x", id="half a surrogate pair"),
        pytest.param("e\u0301", "é", id="one spelling of an accent"),
        pytest.param("x" * 300 + ".tar", "x" * (LONGEST - 4) + ".tar", id="too long, with its ending"),
        pytest.param("ü" * 300, "ü" * (LONGEST // 2), id="too long in bytes"),
    ],
)
def test_names(theirs: str, ours: str) -> None:
    assert safe_name(theirs) == ours


@given(st.text(max_size=300) | st.text("./\\-~ :\0con1", max_size=20))
def test_whatever_the_name_ours_stays_where_it_is_put(theirs: str) -> None:
    ours = safe_name(theirs)
    assert 0 < len(ours.encode()) <= LONGEST + 1, "it can be written, and is short"
    assert not set(ours) & set('/\\\0:*?"<>|\n')
    assert ours[0] not in ".-~ "
    assert ours[-1] not in ". "
    assert ours.isprintable()
    assert safe_name(ours) == ours


@pytest.mark.parametrize(
    ("name", "number", "becomes"),
    [
        ("notes.md", 1, "notes.md"),
        ("notes.md", 2, "notes-2.md"),
        ("notes", 3, "notes-3"),
        ("a.tar.gz", 2, "a.tar-2.gz"),
    ],
)
def test_the_second_of_a_name_gets_a_number(name: str, number: int, becomes: str) -> None:
    assert numbered(name, number) == becomes
