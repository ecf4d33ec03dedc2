"""Shows how work comes along: on a terminal, and of an ingest also elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from trivet.cli.render import duration, plural, remarks

if TYPE_CHECKING:
    from trivet.reports import IngestReport

# Batches take seconds: a rate over less than this jumps, over more it lags behind.
WINDOW_S = 30.0
LINE_EVERY_S = 5.0

Watcher: TypeAlias = "Callable[[IngestReport], None]"


class Pace:
    """How fast an ingest goes and how long it still takes.

    Args:
        work: all there is to do, in any unit.
        done: how much of it is done when a report has come.
    """

    def __init__(self, work: int, done: Callable[[IngestReport], int]) -> None:
        self.share = 0.0
        self._work = max(work, 1)
        self._done = done
        self._past: deque[tuple[float, int, float]] = deque()

    def take(self, report: IngestReport) -> str:
        """Take a report and say what it means: "2,048 documents · 131/s · 12 s left"."""
        self.share = min(self._done(report) / self._work, 1.0)
        self._past.append((report.elapsed_s, report.total, self.share))
        while len(self._past) > 2 and report.elapsed_s - self._past[0][0] > WINDOW_S:
            self._past.popleft()
        line = plural(report.total, "document")
        # From the first report on: what came before was mostly the loading of the model.
        then_s, total, share = self._past[0]
        seconds = report.elapsed_s - then_s
        if seconds > 0:
            line += f" · {(report.total - total) / seconds:,.0f}/s"
        if self.share > share:
            left_s = (1 - self.share) * seconds / (self.share - share)
            line += f" · {duration(left_s)} left"
        return line


@contextmanager
def watched(work: int, done: Callable[[IngestReport], int]) -> Iterator[Watcher]:
    """Show an ingest on stderr while the body runs.

    Args:
        work: all there is to do, in any unit.
        done: how much of it is done when a report has come.

    Yields:
        What is to be called with each report.
    """
    console = remarks()
    pace = Pace(work, done)
    if not console.is_interactive:
        yield _lines(console, pace)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[line]}", style="dim"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Loading the model", total=1.0, line="")

        def show(report: IngestReport) -> None:
            line = pace.take(report)
            bar.update(task, description="Indexing", completed=pace.share, line=line)

        yield show


@contextmanager
def counting(noun: str) -> Iterator[Callable[[int], None]]:
    """Show on stderr, if that is a terminal, how many are done while the body runs.

    Args:
        noun: what is counted.

    Yields:
        What is to be called with how many were done so far.
    """
    console, start_s = remarks(), time.monotonic()
    if not console.is_interactive:
        yield lambda done: None
        return
    with console.status("Loading the model") as line:

        def show(done: int) -> None:
            rate = done / max(time.monotonic() - start_s, 1e-9)
            line.update(f"{plural(done, noun)} · {rate:,.0f}/s")

        yield show


def _lines(console: Console, pace: Pace) -> Watcher:
    """A watcher that prints a plain line every few seconds."""
    printed_s = 0.0

    def show(report: IngestReport) -> None:
        nonlocal printed_s
        line = pace.take(report)
        if report.elapsed_s - printed_s >= LINE_EVERY_S:
            printed_s = report.elapsed_s
            console.print(f"{pace.share:>4.0%}  {line}", soft_wrap=True)

    return show
