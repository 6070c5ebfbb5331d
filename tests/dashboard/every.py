"""Every page by an address that shows something of the busy hour: for tests that hold of all of them.

A page whose path has a part to fill in, or that shows nothing without a query, has its address here.
"""

from __future__ import annotations

from dashboard.views import VIEWS

EXAMPLES: dict[str, tuple[str, ...]] = {}

ADDRESSES: tuple[str, ...] = tuple(address for view in VIEWS for address in EXAMPLES.get(view.path, (view.path,)))
