"""hubbub doctor: what is wrong, why, what to type about it; and with --fix, the part of it that is safe to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import click

from hub.cli import exits, show
from hub.cli.command import as_json, verb
from hub.config import Settings
from hub.doctor.finding import BROKEN, FIXED, WARNING, Finding
from hub.errors import BadValue, HubbubError

STYLES = {"ok": "green", "note": "cyan", "warning": "yellow", "broken": "red", "fixed": "green"}


@verb("hubbub doctor", "hubbub doctor --fix", "hubbub doctor --agent alice", "hubbub doctor --json")
@click.option("--agent", metavar="NAME", help="Also whether a message gets to this agent's model: tries each hop.")
@click.option("--fix", is_flag=True, help="Do what is safe: close modes, tidy what is left behind, connect anew.")
@as_json("Print {ok, findings} as JSON.")
def doctor(settings: Settings, *, agent: str | None, fix: bool, in_json: bool) -> int:
    """Find out what is wrong, and what to type about it. Without --fix it only looks: it changes and starts nothing.

    With --agent the agent sends itself a message, and each of its hops is tried with a test, which its model sees.
    Exit code 1: something is broken.
    """
    from hub.doctor.examination import examine

    findings = examine(settings)
    if agent is not None:
        findings = _with_hops(findings, settings, agent)
    return _tell(findings, fix=fix, in_json=in_json)


def _unreadable_too(call: Callable[..., Any]) -> Callable[..., int]:
    """Settings that make no sense are a finding as well, and not only an error."""

    def look(*, fix: bool, in_json: bool, **rest: Any) -> int:
        try:
            return int(call(fix=fix, in_json=in_json, **rest))
        except BadValue as why:
            from hub.doctor.settings import unreadable

            return _tell([unreadable(why)], fix=fix, in_json=in_json)

    return look


assert doctor.callback is not None
doctor.callback = _unreadable_too(doctor.callback)


def _tell(findings: Iterable[Finding], *, fix: bool, in_json: bool) -> int:
    told: list[Finding] = []
    for finding in findings:
        each = _mended(finding) if fix else finding
        told.append(each)
        if not in_json:
            _print(each)
    broken = any(each.state == BROKEN for each in told)
    if in_json:
        show.put({"ok": not broken, "findings": [_json(each) for each in told]})
    else:
        _sum_up(told, fix=fix)
    return exits.FAILED if broken else exits.OK


def _mended(finding: Finding) -> Finding:
    """The finding after --fix has done what it may about it."""
    if finding.mend is None:
        return finding
    try:
        finding.mend.do()
    except (OSError, HubbubError) as why:
        return finding._replace(message=f"{finding.message} (--fix could not mend it: {why})")
    return finding._replace(state=FIXED, message=f"{finding.message} (--fix: {finding.mend.what})", command=None)


def _json(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "state": finding.state,
        "code": finding.code,
        "message": finding.message,
        "command": finding.command,
        "fixed": finding.fixed,
    }


def _with_hops(findings: Iterable[Finding], settings: Settings, agent: str) -> Iterator[Finding]:
    from hub.cli.doctor_agent import examine as examine_agent

    yield from findings
    states = {"works": "ok", "not available": "note", "unknown": "warning", "broken": "broken"}
    for verdict in examine_agent(settings, agent):
        works = verdict.state == "works"
        said = verdict.why if works else f"{verdict.state}: {verdict.why}"
        code = None if works else f"hop_{verdict.state.replace(' ', '_')}"
        yield Finding(f"{agent}: {verdict.hop}", states[verdict.state], said, verdict.command, code)


def _print(finding: Finding) -> None:
    state = show.paint(f"{finding.state:<8}", STYLES[finding.state])
    show.say(f"{state}{finding.check:<15} {show.one_line(finding.message)}")
    if finding.command:
        show.say(f"{'':24}→ {show.one_line(finding.command)}")


def _sum_up(told: list[Finding], *, fix: bool) -> None:
    """What --fix did and did not do; or what it could."""
    left = [each for each in told if each.state in (WARNING, BROKEN)]
    done = [each for each in told if each.state == FIXED]
    if fix:
        show.note(
            f"--fix mended {len(done)}; {len(left)} left to you." if done or left else "There was nothing to mend."
        )
    elif mendable := [each for each in told if each.mend is not None]:
        show.note(f"hubbub doctor --fix mends {len(mendable)} of it.")
