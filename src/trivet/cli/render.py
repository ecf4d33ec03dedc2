"""What the commands show to people, safe for any terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

if TYPE_CHECKING:
    from trivet.cli.files import Failure
    from trivet.reports import IngestReport
    from trivet.types import Hit

SNIPPET_CHARACTERS = 240
# A whole row of the demo, where there is no terminal to say how wide it is.
PLAIN_WIDTH = 120
# "dense 0.72 + sparse 14.07"
LEGS_WIDTH = 25

# What would move the cursor, change colours or turn the direction of what follows it, and what
# cannot be encoded.
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

LEG_STYLES = {"dense": "cyan", "sparse": "yellow", "multi": "magenta"}


def output() -> Console:
    """The console on stdout; text goes there as it is, never read as markup."""
    width = None if sys.stdout.isatty() else PLAIN_WIDTH
    return Console(width=width, markup=False, emoji=False, highlight=False)


def remarks() -> Console:
    """The console on stderr, for progress and complaints."""
    width = None if sys.stderr.isatty() else PLAIN_WIDTH
    return Console(stderr=True, width=width, markup=False, emoji=False, highlight=False)


def one_line(text: str) -> str:
    """The text on one line, without anything that a terminal would obey."""
    return UNSAFE.sub("\N{REPLACEMENT CHARACTER}", " ".join(text.split()))


def snippet(text: str) -> str:
    """The head of a text, cut between two words."""
    line = one_line(text)
    if len(line) <= SNIPPET_CHARACTERS:
        return line
    return line[: SNIPPET_CHARACTERS - 2].rsplit(" ", 1)[0] + " …"


def complain(message: str) -> None:
    """Print one line on stderr, its first word ("error:") in red."""
    line = Text(one_line(message))
    line.highlight_regex(r"^(error|failed):", "bold red")
    remarks().print(line, soft_wrap=True)


@contextmanager
def waiting(message: str) -> Iterator[None]:
    """A spinner on stderr, if that is a terminal, for as long as the body takes."""
    console = remarks()
    if not console.is_interactive:
        yield
        return
    with console.status(message):
        yield


def legs(hit: Hit) -> Text:
    """The legs that found a hit, each with its score."""
    shown = (
        Text(f"{mode} {score:.2f}", style=LEG_STYLES[mode]) for mode, score in hit.scores.items()
    )
    return Text(" + ").join(shown)


def print_hits(hits: Sequence[Hit]) -> None:
    """Print hits at length: rank, score, id, legs, and the head of the text."""
    console = output()
    if not hits:
        console.print("no hits")
    for rank, hit in enumerate(hits, start=1):
        head = Text.assemble(
            f"{rank:>2}  {hit.score:.3f}  ", (one_line(hit.id), "bold"), "  ", legs(hit)
        )
        console.print(head, soft_wrap=True)
        console.print(Padding(Text(snippet(hit.text)), (0, 0, 0, 4), expand=False))


def print_hit_rows(hits: Sequence[Hit]) -> None:
    """Print hits in short: one row each, as wide as the console and no wider."""
    console = output()
    for hit in hits:
        found_by = legs(hit)
        found_by.pad_right(max(0, LEGS_WIDTH - found_by.cell_len))
        row = Text.assemble(
            f"  {hit.score:.3f}  ", found_by, "  ", (one_line(hit.id), "bold"), "  "
        )
        row.append(snippet(hit.text), style="dim")
        row.truncate(console.width, overflow="ellipsis")
        console.print(row, no_wrap=True)


def print_failures(failures: Iterable[Failure]) -> None:
    """Print one line on stderr for each document that was not stored."""
    for failure in failures:
        complain(f"failed: {failure.id}: {failure.reason}")


def ingested(report: IngestReport, failed: int) -> str:
    """What an ingest did, in a line; `failed` counts what could not even be read, too."""
    counts = {
        "added": report.added,
        "replaced": report.replaced,
        "unchanged": report.skipped,
        "failed": failed,
    }
    done = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    line = f"{plural(sum(counts.values()), 'document')}: {done or 'nothing to do'}"
    embedded = report.added + report.replaced
    line += f" in {duration(report.elapsed_s)}"
    # The rate of a handful is that of loading the model.
    return f"{line} ({embedded / report.elapsed_s:,.0f}/s)" if embedded >= 100 else line


def plural(count: int, noun: str) -> str:
    """A count and its noun, such as "1 file" or "2,000 files"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def duration(elapsed_s: float) -> str:
    """Seconds as people write them: 0.4 s, 12 s, 3 min 5 s."""
    if elapsed_s < 10:
        return f"{elapsed_s:.1f} s"
    if elapsed_s < 59.5:
        return f"{elapsed_s:.0f} s"
    minutes, seconds = divmod(round(elapsed_s), 60)
    return f"{minutes} min {seconds} s"


def size(size_bytes: int) -> str:
    """Bytes as people write them, in powers of ten."""
    amount = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
