"""Every page by an address that shows something of the busy hour: for tests that hold of all of them.

A page whose path has a part to fill in, or that shows nothing without a query, has its address here.
"""

from __future__ import annotations

from urllib.parse import quote

from dashboard.views import VIEWS
from tests.dashboard.hours import HOSTILE

EXAMPLES: dict[str, tuple[str, ...]] = {
    "/instances/{name}": ("/instances/planner",),
    "/messages/{id:path}": ("/messages/id-4700", "/messages/id-4696?as=markdown"),
    "/search": ("/search?q=redirect+log", "/search"),
}

# Where the same page has something hostile, in the hour that has nothing else.
WORST: dict[str, str] = {
    "/instances/planner": f"/instances/{quote(HOSTILE[2], safe='')}",
    "/messages/id-4700": "/messages/1000",
    "/messages/id-4696?as=markdown": "/messages/1004?as=markdown",
}

ADDRESSES: tuple[str, ...] = tuple(address for view in VIEWS for address in EXAMPLES.get(view.path, (view.path,)))
