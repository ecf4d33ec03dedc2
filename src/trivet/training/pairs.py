"""What a model is trained on: a query, the document that answers it, and one that does not."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from trivet.errors import TrainingPairsError
from trivet.query import text_problem

COLUMNS = ("query", "positive", "negative")
_KEYS = COLUMNS[:2]
_SHOWN = 60
# Fewer are no measure of anything, and the drift map has to be chosen on some that are held out.
LEAST_GROUPS = 20
# A held-out measure whose interval is narrow enough; more would cost minutes.
MOST_HELD_OUT = 300


@dataclass(frozen=True)
class TrainingPair:
    """A query with a document to find, or with one more that is not to be found.

    Attributes:
        query: what is asked.
        positive: a document that answers it.
        negative: one that does not; None = the other documents of a batch are all there is.

    Raises:
        TrainingPairsError: a text that is blank or no text.
    """

    query: str
    positive: str
    negative: str | None = None

    def __post_init__(self) -> None:
        for name, text in asdict(self).items():
            if name == "negative" and text is None:
                continue
            problem = text_problem(text)
            if problem:
                raise TrainingPairsError(f"expected a {name} that is a text, {problem}")


def read_pairs(file: str | os.PathLike[str]) -> list[TrainingPair]:
    """Read a file of JSON objects, one a line, with "query", "positive" and maybe "negative".

    Args:
        file: .jsonl, or .gz packed; other keys are passed over.

    Raises:
        TrainingPairsError: a file that cannot be read or holds no pair; a line that is wrong, by
            its number.
    """
    place = Path(file)
    pairs = [_parsed(line, f"{place}:{number}") for number, line in _lines(place)]
    if not pairs:
        raise TrainingPairsError(f"expected pairs in {place}, got none: write one on each line")
    return pairs


def checked_pairs(pairs: Iterable[TrainingPair]) -> tuple[TrainingPair, ...]:
    """Pairs of one kind: all of them with a negative, or none.

    Raises:
        TrainingPairsError: none at all, something else, or both kinds.
    """
    came = tuple(pairs)
    if not came:
        raise TrainingPairsError("expected pairs to train on, got none")
    for position, pair in enumerate(came):
        if not isinstance(pair, TrainingPair):
            raise TrainingPairsError(
                f"expected TrainingPair values, got {type(pair).__name__} at position {position}"
            )
        if (pair.negative is None) != (came[0].negative is None):
            raise TrainingPairsError(
                f"expected a negative in every pair or in none, got both kinds: position 0 and "
                f"position {position} differ; train on each kind by itself"
            )
    return came


def columns_of(pairs: Sequence[TrainingPair]) -> dict[str, list[str]]:
    """Queries, positives and, of triplets, negatives, each in the order of the pairs."""
    named = {name: [getattr(pair, name) for pair in pairs] for name in COLUMNS}
    return {name: texts for name, texts in named.items() if None not in texts}


def grouped(pairs: Sequence[TrainingPair]) -> tuple[int, ...]:
    """A number for each pair; pairs that share a query or a document, by any way, have the same."""
    leads = list(range(len(pairs)))

    def lead(position: int) -> int:
        while leads[position] != position:
            leads[position] = leads[leads[position]]
            position = leads[position]
        return position

    first: dict[tuple[str, str], int] = {}
    for position, pair in enumerate(pairs):
        for key in (("query", pair.query), ("document", pair.positive)):
            other = first.setdefault(key, position)
            leads[lead(position)] = lead(other)
    return tuple(lead(position) for position in range(len(pairs)))


def split(
    pairs: Sequence[TrainingPair], share: float, seed: int
) -> tuple[tuple[TrainingPair, ...], tuple[TrainingPair, ...]]:
    """Pairs to train on and pairs held out, which share no query and no document to find.

    A triplet whose negative is to be found by a held-out query is in neither part.

    Args:
        pairs: all.
        share: of the pairs that is held out, 300 at most.
        seed: of the draw.
    """
    groups = np.array(grouped(pairs))
    wanted = min(max(1, round(share * len(pairs))), MOST_HELD_OUT)
    held: set[int] = set()
    count = 0
    numbers, sizes = np.unique(groups, return_counts=True)
    for place in np.random.default_rng(seed).permutation(len(numbers)):
        group, size = numbers[place], int(sizes[place])
        if count + size <= wanted:
            held.add(int(group))
            count += size
        if count >= wanted:
            break
    if not held:  # all are larger than what is wanted: the smallest, so that most can be trained on
        held.add(int(numbers[sizes.argmin()]))
    trained = [pair for pair, g in zip(pairs, groups, strict=True) if int(g) not in held]
    rest = tuple(pair for pair, g in zip(pairs, groups, strict=True) if int(g) in held)
    return without_leak(trained, rest), rest


def without_leak(
    pairs: Sequence[TrainingPair], dev: Sequence[TrainingPair]
) -> tuple[TrainingPair, ...]:
    """The pairs that share neither query nor document to find with those that are held out.

    A triplet whose negative is such a document is left out, too: it would teach not to find it.
    """
    queries, documents = {p.query for p in dev}, {p.positive for p in dev}
    return tuple(
        p
        for p in pairs
        if p.query not in queries and p.positive not in documents and p.negative not in documents
    )


def _parsed(line: str, where: str) -> TrainingPair:
    try:
        fields = json.loads(line)
        if not isinstance(fields, dict):
            raise TrainingPairsError(f"expected a JSON object, got {line[:_SHOWN]!r}")
        missing = [key for key in _KEYS if key not in fields]
        if missing:
            keys = ", ".join(fields)[:_SHOWN]
            raise TrainingPairsError(f'expected the keys "query" and "positive", got {keys!r}')
        return TrainingPair(fields["query"], fields["positive"], fields.get("negative"))
    except TrainingPairsError as error:
        raise TrainingPairsError(f"{where}: {error}") from error.__cause__
    except (ValueError, RecursionError) as error:
        raise TrainingPairsError(
            f"{where}: expected one JSON object a line, got {error}"
        ) from error


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    number = 0
    try:
        with gzip.open(file) if file.name.endswith(".gz") else file.open("rb") as rows:
            for number, row in enumerate(rows, start=1):
                line = row.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if line:
                    yield number, line
    except UnicodeDecodeError as error:
        raise TrainingPairsError(
            f"{file}:{number}: expected UTF-8, got other bytes: save the file as UTF-8"
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise TrainingPairsError(f"expected a file to read in {file}, got {error}") from error
