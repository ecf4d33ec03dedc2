"""What was written to a shard while another is made of it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Changes:
    """What was written since this was last asked for.

    Attributes:
        points: ids of the points that were written or deleted.
        names: whether a vector name was made or dropped.
    """

    points: set[str] = field(default_factory=set)
    names: bool = False
