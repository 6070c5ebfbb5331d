"""Lighthouse's judgement of the overview, of a real hub with 50 agents and 100,000 messages: `make lighthouse`.

Accessibility and best practices have to have 100, performance 95 or more: as a desktop sees the page, and as a phone,
which Lighthouse takes to be four times slower and far away. A busy machine makes performance lower.
Lighthouse drives a Chromium that has been signed in before, so that the page is the one that people see, live.
(https://github.com/GoogleChrome/lighthouse/blob/main/docs/scoring.md is how the scores come about)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import async_playwright, expect

from hub.client import connect
from hub.request import Requests
from tests.dashboard.browsing import FLAGS, a_chromium
from tests.journeys.processes import HubProcess, hub_process

ROOT = Path(__file__).parents[3]
LIGHTHOUSE = ROOT / ".cache" / "lighthouse" / "node_modules" / ".bin" / "lighthouse"
LEAST = {"performance": 95, "accessibility": 100, "best-practices": 100}
FORMS = {"desktop": ["--preset=desktop"], "mobile": []}  # the latter is Lighthouse's own default
AT_ONCE = 100  # messages of one agent that are on their way together
PATIENCE = 300  # seconds for one judgement


async def fill(hub: HubProcess, agents: int, messages: int) -> None:
    """Have agents say so many messages to one another, to topics and to all."""

    async def talk(number: int) -> None:
        async with connect(hub.url, hub.token, f"agent-{number:02}", client="codex/0.169") as agent:
            for begin in range(0, messages // agents, AT_ONCE):
                await asyncio.gather(
                    *(
                        agent.publish(
                            f"#build.{nth % 20}" if nth % 3 else f"agent-{(number + nth) % agents:02}",
                            f"Message {nth} of agent {number}: the tests of module {nth % 97} are green again.",
                            thread=f"thread-{nth % 40}",
                        )
                        for nth in range(begin, begin + AT_ONCE)
                    )
                )

    await asyncio.gather(*(talk(number) for number in range(agents)))


def judge(url: str, port: int, form: str, into: Path) -> dict[str, Any]:
    """Lighthouse's report on a page, as a form of device sees it. Raises CalledProcessError, TimeoutExpired."""
    report = into / f"{form}.json"
    command = [str(LIGHTHOUSE), url, f"--port={port}", "--disable-storage-reset", "--quiet", "--output=json"]
    command += [f"--only-categories={','.join(LEAST)}", f"--output-path={report}", *FORMS[form]]
    subprocess.run(command, check=True, timeout=PATIENCE, cwd=into)
    told: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return told


def said(form: str, told: dict[str, Any]) -> tuple[str, bool]:
    """One report in some lines, and whether it is good enough."""
    scores = {name: round(100 * each["score"]) for name, each in told["categories"].items()}
    lines = [f"{form:<8} " + "  ".join(f"{name} {score}" for name, score in scores.items())]
    for name, each in told["categories"].items():
        for part in each["auditRefs"]:
            audit = told["audits"][part["id"]]
            if scores[name] < 100 and part["weight"] and audit["score"] not in (None, 1):
                lines.append(f"         {name}: {audit['title']}: {audit.get('displayValue', audit['score'])}")
    return "\n".join(lines), all(scores[name] >= least for name, least in LEAST.items())


async def run(agents: int, messages: int, into: Path) -> int:
    with hub_process(into / "home") as hub:
        await fill(hub, agents, messages)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        async with async_playwright() as driver:
            browser = await driver.chromium.launch_persistent_context(
                str(into / "profile"),
                executable_path=a_chromium(driver),
                args=[*FLAGS, f"--remote-debugging-port={port}"],
            )
            page = await browser.new_page()
            await page.goto(Requests(hub.url, hub.token, timeout=30).post("/links", {})["url"])
            await expect(page.locator(".live")).to_have_text("live", timeout=60_000)
            url = page.url
            await page.close()
            good = True
            for form in FORMS:
                text, enough = said(form, await asyncio.to_thread(judge, url, port, form, into))
                sys.stdout.write(text + "\n")
                good = good and enough
            await browser.close()
    return 0 if good else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.dashboard.lighthouse", description=__doc__)
    parser.add_argument("--agents", type=int, default=50)
    parser.add_argument("--messages", type=int, default=100_000)
    wanted = parser.parse_args()
    if not LIGHTHOUSE.exists():
        sys.stderr.write("Lighthouse is not installed: .ci/npm tests/dashboard/lighthouse lighthouse\n")
        return 1
    folder = Path(tempfile.mkdtemp(prefix="hubbub-lighthouse-"))
    try:
        return asyncio.run(run(wanted.agents, wanted.messages, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
