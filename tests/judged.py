"""Words, each the query whose document is known."""

from __future__ import annotations

WORDS = (
    "kedge leeway capstan fathom tide reef mast hull keel stern bow boom jib spar rope knot "
    "wharf buoy shoal gale squall harbour pilot crew deck hatch"
).split()
