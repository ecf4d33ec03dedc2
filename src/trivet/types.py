"""The values that the rooms of Trivet hand to each other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import NDArray

from trivet.errors import InvalidInputError, SpaceMismatchError, UnknownModeError

Mode: TypeAlias = Literal["dense", "sparse", "multi"]
MODES: tuple[Mode, ...] = get_args(Mode)

Vectors: TypeAlias = NDArray[np.float32]
Fact: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True)
class Document:
    """What the caller adds.

    It is checked when it is added, not here, so that one bad document among many is reported
    and the others are stored.

    Attributes:
        text: the text, not blank.
        id: the caller's id, kept verbatim; None = a uuid5 of title and text.
        title: embedded before the text of each chunk.
        metadata: JSON values (str keys), returned equal.
    """

    text: str
    id: str | None = None
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Hit:
    """One result of a search.

    Attributes:
        id: the caller's document id; `"<document>#<sequence>"` where chunks were asked for.
        score: of the search plan; comparable within one result list only.
        text: the best chunk of the document, exactly `document.text[span[0]:span[1]]`.
        metadata: the document's.
        scores: what each leg gave to this chunk; a leg that did not find it is absent.
        span: character offsets of `text` in the document's text.
        tenant: whose document it is; None in an index without tenants.
        document: id of the document that it is from; "" = `id`.
    """

    id: str
    score: float
    text: str
    metadata: dict[str, Any]
    scores: dict[Mode, float]
    span: tuple[int, int]
    tenant: str | None = None
    document: str = ""

    def __post_init__(self) -> None:
        if not self.document:
            object.__setattr__(self, "document", self.id)


@dataclass(frozen=True, eq=False)
class Space:
    """The space that a leg's vectors live in; vectors of two spaces never meet.

    Two spaces are equal when every fact that would change their vectors is equal. The model's
    name is a label for people and no such fact.

    Attributes:
        mode: the leg it belongs to.
        model: how people call the model.
        dims: length of a vector; None for sparse vectors.
        facts: everything that would change the vectors (JSON scalars).
    """

    mode: Mode
    model: str
    dims: int | None
    facts: Mapping[str, Fact]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over mode, dims and facts in canonical JSON."""
        identity = {"mode": self.mode, "dims": self.dims, "facts": dict(self.facts)}
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def is_lexical(self) -> bool:
        """Whether its vectors weigh words by their frequency, and not by a model."""
        return "analyser" in self.facts

    @property
    def vector_name(self) -> str:
        """The named vector that stores it: `<mode>__<first 8 hex digits of the fingerprint>`."""
        return f"{self.mode}__{self.fingerprint[:8]}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and other.fingerprint == self.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"Space({self.vector_name}, {self.model!r}, dims={self.dims})"

    def to_json(self) -> dict[str, Any]:
        """The space as a JSON object, read back by `from_json`."""
        return {
            "mode": self.mode,
            "model": self.model,
            "dims": self.dims,
            "facts": dict(self.facts),
            "fingerprint": self.fingerprint,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Space:
        """Read a stored space.

        Args:
            stored: what `to_json` gave.

        Raises:
            ValueError: its fingerprint is not that of its facts.
            KeyError: a field is missing.
        """
        space = cls(stored["mode"], stored["model"], stored["dims"], dict(stored["facts"]))
        if space.fingerprint != stored["fingerprint"]:
            raise ValueError(
                f"expected a space with fingerprint {space.fingerprint}, "
                f"got {stored['fingerprint']}: the stored facts were changed"
            )
        return space


@dataclass(frozen=True)
class SparseVector:
    """One sparse vector: `indices` (uint32, strictly ascending) and `values` (float32)."""

    indices: NDArray[np.uint32]
    values: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class DenseVectors:
    """The dense leg of n texts: `values` is (n, d) float32 in `space`."""

    space: Space
    values: Vectors

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, item: int) -> Vectors:
        return cast(Vectors, self.values[item])


@dataclass(frozen=True, eq=False)
class SparseVectors:
    """The sparse leg of n texts: one `SparseVector` each, in `space`."""

    space: Space
    values: tuple[SparseVector, ...]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, item: int) -> SparseVector:
        return self.values[item]


@dataclass(frozen=True, eq=False)
class MultiVectors:
    """The multi-vector leg of n texts: one (tokens, m) float32 array each, in `space`."""

    space: Space
    values: tuple[Vectors, ...]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, item: int) -> Vectors:
        return self.values[item]


Leg: TypeAlias = DenseVectors | SparseVectors | MultiVectors


@dataclass(frozen=True, eq=False)
class Representations:
    """What one forward pass makes of n texts: up to three legs, each with its own space.

    `representations[i]` (or a slice) is again `Representations`, of that text alone.

    Attributes:
        dense: (n, d), a row for each text; None = not made.
        sparse: terms and weights of each text; None = not made.
        multi: (t, m) of each text, a row for each token; None = not made.

    Raises:
        InvalidInputError: no leg at all, or legs of different lengths.
    """

    dense: DenseVectors | None = None
    sparse: SparseVectors | None = None
    multi: MultiVectors | None = None

    def __post_init__(self) -> None:
        lengths = {mode: len(leg) for mode, leg in self.legs.items()}
        if len(set(lengths.values())) != 1:
            raise InvalidInputError(
                f"expected legs that hold the same texts, got these many in each: {lengths}"
            )

    @property
    def legs(self) -> dict[Mode, Leg]:
        """The legs that are there, by mode."""
        every: dict[Mode, Leg | None] = {
            "dense": self.dense,
            "sparse": self.sparse,
            "multi": self.multi,
        }
        return {mode: leg for mode, leg in every.items() if leg is not None}

    def __len__(self) -> int:
        return len(next(iter(self.legs.values())))

    def __iter__(self) -> Iterator[Representations]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, item: int | slice) -> Representations:
        if isinstance(item, int):
            position = range(len(self))[item]  # raises IndexError, and knows negative numbers
            item = slice(position, position + 1)
        dense, sparse, multi = self.dense, self.sparse, self.multi
        return Representations(
            None if dense is None else DenseVectors(dense.space, dense.values[item]),
            None if sparse is None else SparseVectors(sparse.space, sparse.values[item]),
            None if multi is None else MultiVectors(multi.space, multi.values[item]),
        )

    def with_sparse(self, sparse: SparseVectors) -> Representations:
        """The same texts with another sparse leg.

        Args:
            sparse: of the same n texts.
        """
        return replace(self, sparse=sparse)


def checked_modes(modes: Sequence[str]) -> tuple[Mode, ...]:
    """The modes in the house's order, each once.

    Raises:
        UnknownModeError: none, one that does not exist, or a text instead of a list.
    """
    asked = [] if isinstance(modes, str) or not isinstance(modes, Iterable) else list(modes)
    if not asked:
        raise UnknownModeError(
            f"expected a list with one or more of {', '.join(MODES)}, got {modes!r}"
        )
    unknown = [mode for mode in asked if mode not in MODES]
    if unknown:
        raise UnknownModeError(f"expected modes out of {', '.join(MODES)}, got {unknown[0]!r}")
    return tuple(mode for mode in MODES if mode in asked)


def require_same_space(expected: Space, came: Space) -> None:
    """Refuse vectors of another space.

    Raises:
        SpaceMismatchError: the two spaces differ; the message names both and where they differ.
    """
    if expected == came:
        return
    names = sorted(set(expected.facts) | set(came.facts))
    differing = [name for name in names if expected.facts.get(name) != came.facts.get(name)]
    if expected.dims != came.dims:
        differing.insert(0, f"dims ({expected.dims} against {came.dims})")
    raise SpaceMismatchError(
        f"the index holds {expected.mode} vectors of {expected.model!r} "
        f"({expected.vector_name}), got {came.model!r} ({came.vector_name}); they differ in "
        f"{', '.join(differing)}: open the index with model=None or with that model, "
        "or index the documents anew in another location"
    )
