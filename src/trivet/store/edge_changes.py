"""What is written to a shard of Edge while a copy of it is made ready to take over."""

from __future__ import annotations

from collections.abc import Sequence
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

    def take(self, points: Sequence[str] | None) -> None:
        """Note an operation on these points; None = on the vector names."""
        self.points.update(points or ())
        self.names |= points is None
