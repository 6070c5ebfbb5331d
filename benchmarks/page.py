"""The figures as they stand in docs/performance.md."""

from __future__ import annotations

from typing import Any

from benchmarks.aims import AIMS, HUBBUB, quiet
from benchmarks.figures import Result, result
from benchmarks.table import mebibytes, number, ratio, share, whole

REACHED = {True: "yes", False: "**no**", None: "unknown"}


def page(kept: dict[str, Any]) -> str:
    """The generated part: what it was measured on, the aims, and each work."""
    results = {name: result(each["result"]) for name, each in kept.items()}
    lines = [_machines([each["machine"] for each in kept.values()]), "", "### Aims", "", *_aims(results, kept), ""]
    lines += ["![Bars: what each server did in each work](images/performance.svg)", ""]
    if any(name.startswith("growth") for name in results):
        lines += ["![Curves: what a message costs as everything around it grows](images/growth.svg)", ""]
    for name, found in results.items():
        lines += [f"### `{found.work}`: {found.title}", "", *_details(found), "", _when(kept[name]["machine"]), ""]
    return "\n".join(lines)


def _machines(machines: list[dict[str, Any]]) -> str:
    last = machines[-1]
    days = sorted({each["at"] for each in machines})
    fsync = sorted(each["fsync_us"] for each in machines)
    commits = list(dict.fromkeys(str(each["commit"]) for each in machines))
    loads = sorted(each["load"] for each in machines if each["load"] is not None)
    busy = f" The load average at the beginning of each work was {loads[0]} to {loads[-1]}." if loads else ""
    return (
        f"{last['processor']}, {last['cores']} cores, {last['system']}, Python {last['python']}; "
        f"one fsync of 4 KiB takes {fsync[0]} to {fsync[-1]} µs there. "
        f"Measured {' and '.join(days)} at {', '.join(commits)}.{busy}"
    )


def _when(here: dict[str, Any]) -> str:
    others = here.get("others")
    taken = "an unknown part" if others is None else f"{others:.0%}"
    return f"Measured at {here['commit']}; other programs took {taken} of the machine."


def _aims(results: dict[str, Result], kept: dict[str, Any]) -> list[str]:
    lines = [
        "| work | beside | aim | measured (lowest … highest) | by CPU time | reached | command |",
        "|---|---|---|---|--:|---|---|",
    ]
    for aim in AIMS:
        found = results.get(aim.work)
        measured = by_cpu = reached = None
        if found is not None:
            measured, by_cpu, reached = aim.ratio(found), aim.by_cpu(found), aim.reached(found)
        cells = [
            (found.title if found else aim.work) + (f": {aim.ours}" if aim.ours != HUBBUB else ""),
            aim.theirs or f"in {found.unit if found else 'itself'}",
            f"{aim.sign} {aim.factor:g}",
            ratio(measured) if measured else "not measured yet",
            f"{by_cpu:.2f}" if by_cpu is not None else "",
            REACHED[reached] if found is None or quiet(kept[aim.work]["machine"].get("others")) else "not judged: busy",
            f"`make bench WORK={aim.work}`",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _details(found: Result) -> list[str]:
    lines = [
        f"| | version | {found.unit} | lowest … highest | server | load | per CPU second | peak MiB |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for each in found.contenders:
        if (value := each.value) is None:
            lines.append(f"| {each.name} | | {each.left_out} | | | | | |")
            continue
        cells = [
            each.name,
            each.version,
            number(value.median),
            f"{number(value.lowest)} … {number(value.highest)}",
            share(each, "server_share"),
            share(each, "load_share"),
            whole(each, "per_cpu_second"),
            mebibytes(each),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    settings = dict.fromkeys(f"{each.name}: {each.settings}" for each in found.contenders if each.settings)
    if found.work.startswith("growth"):  # a hub for each place, all alike
        settings = dict.fromkeys(f"Each: {each.settings}" for each in found.contenders)
    return lines + (["", "; ".join(settings) + "."] if settings else [])
