"""A result as a table on the terminal, and how figures are written everywhere."""

from __future__ import annotations

from typing import Any

from benchmarks.aims import AIMS, Aim
from benchmarks.figures import Contender, Result, Spread


def machine_line(here: dict[str, Any]) -> str:
    return (
        f"{here['processor']}, {here['cores']} cores, {here['system']}, Python {here['python']}; "
        f"one fsync of 4 KiB {here['fsync_us']} µs; load {here['load']}; {here['commit']}"
    )


def table(found: Result) -> list[str]:
    heads = f"{'median':>12}  {'lowest … highest':>25}  {'server':>6} {'load':>5} {'per CPU s':>11} {'MiB':>5}"
    lines = [f"  {found.unit:26}{heads}"]
    for each in found.contenders:
        if (value := each.value) is None:
            lines.append(f"  {each.name:26}{each.left_out}")
            continue
        between = f"{number(value.lowest)} … {number(value.highest)}"
        lines.append(
            f"  {each.name:26}{number(value.median):>12}  {between:>25}  {share(each, 'server_share'):>6} "
            f"{share(each, 'load_share'):>5} {whole(each, 'per_cpu_second'):>11} {mebibytes(each):>5}"
        )
    return lines + [f"  {told(aim, found)}" for aim in AIMS if aim.work == found.work]


def told(aim: Aim, found: Result) -> str:
    """How it stands with an aim."""
    measured = aim.ratio(found)
    wanted = f"{aim.ours}: aim {aim.sign} {aim.factor:g} " + (f"× {aim.theirs}" if aim.theirs else found.unit)
    if measured is None:
        return f"{wanted}: unknown, one of them was left out"
    by_cpu = aim.by_cpu(found)
    beside = f", by the server's CPU time {by_cpu:.2f}" if by_cpu is not None else ""
    return f"{wanted}: {ratio(measured)}, {'reached' if aim.reached(found) else 'not reached'}{beside}"


def number(value: float) -> str:
    """Three digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def share(who: Contender, part: str) -> str:
    value = who.median(part)
    return "" if value is None else f"{value:.2f}"


def whole(who: Contender, part: str) -> str:
    value = who.median(part)
    return "" if value is None else number(value)


def mebibytes(who: Contender) -> str:
    value = who.median("peak_memory")
    return "" if value is None else f"{value / 2**20:.0f}"


def ratio(measured: Spread) -> str:
    return f"{measured.median:.2f} ({measured.lowest:.2f} … {measured.highest:.2f})"
