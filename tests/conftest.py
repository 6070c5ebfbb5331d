"""The same stories for every run of `make test`; and, at the end of `make soak`, what each long test has counted."""

from __future__ import annotations

import pytest
from hypothesis import settings

# A change is judged by what it changed: the same examples each time. `make soak` goes on to new ones.
settings.register_profile("same", derandomize=True)
settings.load_profile("same")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    ended = [report for how in ("passed", "failed") for report in terminalreporter.getreports(how)]
    long = [report for report in ended if report.when == "call" and "soak" in report.keywords]
    if not long or terminalreporter.config.getoption("capture") == "no":  # -s: it stands above already
        return
    terminalreporter.section("what was counted")
    for report in sorted(long, key=lambda each: each.nodeid):
        lines = [line for line in report.capstdout.splitlines() if line.strip()] or ["nothing was counted"]
        terminalreporter.line(f"{report.outcome.upper()} {report.nodeid} in {report.duration:.0f} s")
        for line in lines:
            terminalreporter.line(f"  {line}")
