from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks import picture, report, table
from benchmarks.__main__ import meant
from benchmarks.aims import Aim
from benchmarks.figures import Contender, Result, Sample, Spread, result, spread
from benchmarks.machine import Others, descendants
from benchmarks.page import page
from benchmarks.works import ALL


def found(ours: list[float], theirs: list[float]) -> Result:
    return Result(
        "work",
        "a title",
        "messages/s",
        "more",
        [
            Contender("Hubbub", "1", "as it comes", [Sample(value) for value in ours]),
            Contender("other", "2", "as it comes", [Sample(value, 0.9, 0.3, 1e6, 2**20) for value in theirs]),
            Contender("absent", left_out="not installed: apt-get install absent"),
        ],
    )


def test_the_spread_is_the_median_and_the_ends() -> None:
    assert spread([3, 1, 10]) == Spread(3, 1, 10)


def test_a_ratio_is_made_round_by_round() -> None:
    assert found([2, 20, 200], [1, 10, 100]).ratio("Hubbub", "other") == Spread(2, 2, 2)


@pytest.mark.parametrize(
    ("sign", "factor", "reached"), [("≥", 2, True), ("≥", 2.1, False), ("≤", 2, True), ("≤", 1.9, False)]
)
def test_an_aim_is_reached_by_the_median_of_the_ratios(sign: str, factor: float, reached: bool) -> None:
    aim = Aim("work", "other", sign, factor)  # type: ignore[arg-type]
    assert aim.reached(found([1, 2, 9], [1, 1, 1])) is reached


@pytest.mark.parametrize("theirs", ["absent", "unheard of"])
def test_beside_one_that_was_left_out_an_aim_is_unknown(theirs: str) -> None:
    assert Aim("work", theirs, "≥", 1).reached(found([1], [1])) is None


def test_an_aim_without_another_is_the_figure_itself() -> None:
    assert Aim("work", None, "≤", 12).ratio(found([11, 12, 13], [1])) == Spread(12, 11, 13)


def test_a_result_comes_back_from_json_as_it_was(tmp_path: Path) -> None:
    before = found([1, 2], [3, 4])
    report.keep(before, {"at": "today"}, tmp_path / "kept.json")
    assert result(report.load(tmp_path / "kept.json")["work"]["result"]) == before
    assert result(asdict(before)) == before


def test_the_table_says_who_was_left_out_and_how_to_get_it() -> None:
    assert any("absent" in line and "apt-get install absent" in line for line in table.table(found([1], [1])))


def test_a_bar_for_each_that_was_measured() -> None:
    drawn = picture.bars([found([1, 2, 3], [4, 5, 6])], "Hubbub")
    assert drawn.count("<rect") == 2
    assert "prefers-color-scheme:dark" in drawn


def test_a_curve_for_each_kind() -> None:
    names = ["1 topics", "100 topics", "1 topics, wildcards", "100 topics, wildcards"]
    grown = Result("growth", "cost", "µs", "less", [Contender(name, samples=[Sample(2)]) for name in names])
    assert picture.curves([grown]).count("<polyline") == 2


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("fanout-100", ["fanout-100"]),
        ("fanout", ["fanout-1000", "fanout-100"]),
        ("idle", ["idle"]),
        ("nothing", []),
    ],
)
def test_a_word_names_one_work_or_all_that_begin_with_it(word: str, names: list[str]) -> None:
    assert [work.name for work in ALL if meant(work.name, word)] == names


def test_what_stands_between_two_marks_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<a>\nold\n<b>\nafter\n")
    for _ in range(2):
        report.put(page, "<a>", "<b>", "new\n")
        assert page.read_text() == "before\n<a>\n\nnew\n\n<b>\nafter\n"


@pytest.mark.parametrize(("others", "verdict"), [(0.02, True), (0.5, False), (None, False)])
def test_only_a_quiet_machine_gives_a_verdict(tmp_path: Path, others: float | None, verdict: bool) -> None:
    measured = found([5], [1])
    measured.work, measured.contenders[1].name = "fanout-100", "NATS core"
    here = {
        "at": "x",
        "system": "x",
        "processor": "x",
        "cores": 2,
        "python": "x",
        "fsync_us": 1,
        "load": 1,
        "commit": "x",
    }
    report.keep(measured, {**here, "others": others}, tmp_path / "kept.json")
    row = next(line for line in page(report.load(tmp_path / "kept.json")).splitlines() if "| ≥ 1.2 |" in line)
    assert ("| yes |" in row) is verdict
    assert ("not judged" in row) is not verdict


def test_what_others_take_is_a_share_of_the_machine() -> None:
    share = Others().share()
    assert share is None or share >= 0


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="there is no /proc")
def test_what_comes_from_a_process_counts_as_its_own_whoever_waits_for_it(tmp_path: Path) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    for pid, parent, used in ((1, 0, 9), (7, 1, 2), (8, 7, 3), (9, 8, 4), (10, 1, 5)):
        (tmp_path / str(pid)).mkdir()
        times = [used * ticks, ticks, 0, 0, 0, 0, 0, 0, 100 + pid]
        fields = ["S", parent, *[0] * 9, *times]
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (a) browser) {' '.join(map(str, fields))} 0\n")
    assert descendants(7, tmp_path) == {("8", "108"): 4.0, ("9", "109"): 5.0}
