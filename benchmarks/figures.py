"""A measured figure and the bar that it is held to, as values that print themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

HEADER = ("what", "bar", "measured", "95 % interval", "verdict")


@dataclass(frozen=True)
class Bar:
    """The range in which a figure has to lie; an end that is None is open."""

    low: float | None = None
    high: float | None = None

    @classmethod
    def around(cls, centre: float, tolerance: float) -> Bar:
        return cls(centre - tolerance, centre + tolerance)

    def holds(self, value: float) -> bool:
        """Whether a value lies in the range; NaN does not."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def text(self, digits: int) -> str:
        if self.low is not None and self.high is not None:
            return f"{self.low:.{digits}f} to {self.high:.{digits}f}"
        if self.low is not None:
            return f"≥ {self.low:.{digits}f}"
        return f"≤ {self.high:.{digits}f}"


@dataclass(frozen=True)
class Figure:
    """One measured value.

    Attributes:
        what: names it, with its unit; unique in its table.
        measured: the value.
        bar: what it is held to; None = printed for information.
        interval: 95 % of it, where it was estimated.
        digits: printed after the decimal point.
    """

    what: str
    measured: float
    bar: Bar | None = None
    interval: tuple[float, float] | None = None
    digits: int = 2

    @property
    def verdict(self) -> str:
        if self.bar is None:
            return ""
        return "pass" if self.bar.holds(self.measured) else "FAIL"

    def cells(self) -> tuple[str, ...]:
        """What stands under each name of `HEADER`."""
        interval = ""
        if self.interval is not None:
            interval = " to ".join(f"{end:.{self.digits}f}" for end in self.interval)
        bar = "" if self.bar is None else self.bar.text(self.digits)
        return (self.what, bar, f"{self.measured:.{self.digits}f}", interval, self.verdict)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Figure:
        """Read what `dataclasses.asdict` made of a figure."""
        bar, interval = stored["bar"], stored["interval"]
        return cls(
            stored["what"],
            stored["measured"],
            None if bar is None else Bar(**bar),
            None if interval is None else (interval[0], interval[1]),
            stored["digits"],
        )


def plain_table(figures: Sequence[Figure]) -> str:
    """Aligned columns for a terminal."""
    rows = [HEADER, *(figure.cells() for figure in figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def markdown_table(figures: Sequence[Figure]) -> str:
    """The same as Markdown, a failed bar in bold."""
    rows = [HEADER, ("---",) * len(HEADER)]
    rows += [
        (*figure.cells()[:-1], figure.verdict.replace("FAIL", "**FAIL**")) for figure in figures
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
