"""What the demo's agents say and do: the day of a release, told by five of them.

Ada plans, Ben builds, Cleo tests, Dora writes and is slow to read, Emil comes late and finds what waited for him.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

THREAD: Final = "release-1.4"


@dataclass(frozen=True, kw_only=True)
class Join:
    """An agent connects, and hears these topics from then on. `reading`: seconds it takes over each message."""

    who: str
    topics: tuple[str, ...] = ()
    reading: float = 0.6
    after: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Say:
    """An agent says something, `after` seconds of thought; an answer only once the agent has what it answers.

    `label` is what a later `answers` calls it by.
    """

    who: str
    to: str
    text: str
    after: float = 2.0
    label: str | None = None
    answers: str | None = None
    data: Any = None
    thread: str | None = THREAD


@dataclass(frozen=True, kw_only=True)
class Rename:
    """An agent takes another name for a while; `name` None is its first one again."""

    who: str
    name: str | None
    after: float = 1.5


@dataclass(frozen=True, kw_only=True)
class Leave:
    who: str
    after: float = 0.3


Step: TypeAlias = Join | Say | Rename | Leave

SCRIPT: Final[tuple[Step, ...]] = (
    Join(who="ada", topics=("docs.*",)),
    Join(who="ben"),
    Join(who="cleo", topics=("build.>",)),
    Join(who="dora", topics=("build.linux",), reading=7.0),
    Say(who="ada", to="all", text="1.4 goes out today. What is still open with you?", label="open"),
    Say(who="ben", to="ada", text="Two changes; both wait for a green build.", answers="open"),
    Say(
        who="cleo",
        to="ada",
        text="The upload test fails about one time in five. I am on it.",
        answers="open",
        label="flaky",
    ),
    Say(who="ben", to="#build.linux", text="run 812 started", data={"run": 812, "state": "started"}, thread=None),
    Say(
        who="ben",
        to="#build.macos",
        text="run 813 started",
        data={"run": 813, "state": "started"},
        thread=None,
        after=0.8,
    ),
    Say(who="ada", to="emil", text="When you are up: can you review the retry patch? It is small.", label="review"),
    Say(who="ada", to="emil", text="It holds up the release, so please take it first.", after=1.2),
    Say(
        who="ada", to="dora", text="Please put the retry patch and the two fixes into the changelog.", label="changelog"
    ),
    Say(
        who="ben",
        to="#build.linux",
        text="run 812 failed: test_upload_resumes, no answer within 30 s",
        data={"run": 812, "state": "failed", "test": "test_upload_resumes"},
        label="failed",
        thread=None,
    ),
    Say(who="cleo", to="ben", text="Was that on the runner with the slow disk?", answers="failed", label="runner"),
    Say(who="ben", to="cleo", text="Yes, runner 3. Shall I move it to runner 1?", answers="runner", label="move"),
    Say(who="cleo", to="ben", text="Please do, and keep what 812 left behind.", answers="move"),
    Rename(who="cleo", name="cleo-uploads"),
    Say(who="ben", to="dora", text="The build scripts have a new flag, --keep; it wants a line in the docs."),
    Say(
        who="ben",
        to="#build.linux",
        text="run 814 started on runner 1",
        data={"run": 814, "state": "started"},
        thread=None,
    ),
    Join(who="emil", reading=1.0, after=2.0),
    Say(who="emil", to="ada", text="Here now, and your messages were too. Reading the patch.", answers="review"),
    Say(who="emil", to="cleo", text="Why does the retry always wait 7 s instead of backing off?", label="backoff"),
    Say(
        who="cleo",
        to="emil",
        text="No good reason. 1, 2 and 4 s it is; pushed.\n\n    for pause in (1, 2, 4):\n        ...",
        answers="backoff",
        label="pushed",
    ),
    Say(who="emil", to="ada", text="Reviewed. With the backoff it is good to go.", answers="review"),
    Say(
        who="ben",
        to="#build.linux",
        text="run 814 passed: 1,204 tests",
        data={"run": 814, "state": "passed", "tests": 1204},
        thread=None,
    ),
    Say(
        who="ben",
        to="#build.macos",
        text="run 813 passed: 1,198 tests",
        data={"run": 813, "state": "passed"},
        thread=None,
    ),
    Say(who="dora", to="ada", text="The changelog is in, and so is --keep.", answers="changelog"),
    Say(who="dora", to="#docs.changes", text="1.4: uploads retry with backoff; two fixes", after=1.0, thread=None),
    Rename(who="cleo", name=None),
    Say(who="ada", to="all", text="1.4 is out. Thank you, all of you.", after=2.5),
    Leave(who="emil", after=3.0),
)
