"""Which map to use: candidates are fitted, and chosen on held-out documents for an aim."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import numpy as np

from trivet.drift.fitting import (
    RANK,
    fit_identity,
    fit_low_rank,
    fit_mean_shift,
    fit_procrustes,
    fit_ridge,
    fit_stretched,
    least_of_rotation,
)
from trivet.drift.map import DriftMap
from trivet.drift.measures import Exam, Texts
from trivet.drift.pairs import Pairs
from trivet.errors import DriftError, PairsError, UnmappableSpaceError
from trivet.types import Vectors

Aim: TypeAlias = Literal["keep", "gain"]
AIMS: tuple[Aim, ...] = get_args(Aim)
# One in five documents says which candidate is best; the rest is fitted to.
HELD_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class Sample:
    """What query maps are chosen on.

    Attributes:
        pairs: the newer model's vectors (`before`) and the stored ones (`after`).
        stored: (m, d') of the older model, to search among.
        documents: of each stored vector.
        spans: short texts, by the newer model: those of fitted documents say where queries lie,
            those of held-out ones which map finds their documents. None = none.
    """

    pairs: Pairs
    stored: Vectors
    documents: tuple[str, ...]
    spans: Texts | None = None


@dataclass(frozen=True)
class Candidate:
    """A map that was fitted and what it reached on held-out documents.

    Attributes:
        drift: the map; its provenance holds the scores, too.
        cosine: to the stored vectors.
        overlap: @10 with the older model's ranking.
        known_item: nDCG@10 of spans; None where there were none.
    """

    drift: DriftMap
    cosine: float
    overlap: float
    known_item: float | None


@dataclass(frozen=True)
class Choice:
    """The map that was chosen, and all that it was chosen from, best first.

    Attributes:
        drift: the chosen map.
        aim: that it was chosen for.
        candidates: all that these pairs allow.
        held: the documents that no candidate was fitted to.
    """

    drift: DriftMap
    aim: Aim
    candidates: tuple[Candidate, ...]
    held: frozenset[str]


def choose_query_map(sample: Sample, aim: Aim, *, seed: int = 0, corpus: str = "") -> Choice:
    """Fit every method that the pairs allow, and take the best for the aim.

    "keep" takes the highest overlap with the older model's rankings: all methods take part.
    "gain" takes the rotation that finds most known items: to imitate the rankings of a weaker
    model is the wrong aim, and held-out texts cannot tell how much better the newer one is. With
    spans there are rotations about their mean, too. With fewer pairs than dims there is no
    rotation, and all others take part.

    Args:
        sample: pairs, and what to search among.
        aim: "keep" or "gain".
        seed: of the split into fitted and held-out documents.
        corpus: what identifies the texts.

    Raises:
        PairsError: too few pairs or documents.
        DriftError: another aim.
    """
    require_aim(aim)
    fitted, held = sample.pairs.distinct().split(HELD_SHARE, seed)
    names = frozenset(held.documents)
    exam = _HeldOut(sample, held)
    candidates = [exam.judged(drift, seed, corpus) for drift in _fitted(sample, fitted, held, aim)]
    if not candidates:
        raise PairsError(
            f"expected pairs enough for a map from {fitted.source.dims} to {fitted.target.dims} "
            f"dims, got {len(fitted)}: add texts"
        )
    ranked = _ranked(candidates, aim)
    return Choice(ranked[0].drift, aim, tuple(ranked), names)


def choose_translation(
    pairs: Pairs, *, seed: int = 0, corpus: str = "", held_out: Collection[str] | None = None
) -> Choice:
    """Fit the map that rewrites stored vectors for a newer model: a ridge.

    Args:
        pairs: stored vectors (`before`) and the newer model's (`after`).
        seed: of the split into fitted and held-out documents.
        corpus: what identifies the texts.
        held_out: documents to hold out, so that two maps can be measured on the same; None = a
            fifth is drawn.

    Raises:
        PairsError: too few pairs or documents.
    """
    each = pairs.distinct()
    if held_out is None:
        fitted, held = each.split(HELD_SHARE, seed)
    else:
        fitted, held = each.apart(held_out)
    # Towards the rotation it recovers most of a better model's quality; without one, any prior.
    rotates = len(fitted) >= least_of_rotation(fitted)
    drift = fit_ridge(fitted, held, priors=("procrustes",) if rotates else None)
    cosine = _cosine(drift, held)
    drift = _with_scores(drift, seed, corpus, {"cosine": cosine})
    candidate = Candidate(drift, cosine, overlap=float("nan"), known_item=None)
    return Choice(drift, "gain", (candidate,), frozenset(held.documents))


def require_aim(aim: str) -> None:
    """Refuse an aim that does not exist.

    Raises:
        DriftError: another than "keep" and "gain".
    """
    if aim not in AIMS:
        raise DriftError(f"expected aim to be {' or '.join(map(repr, AIMS))}, got {aim!r}")


Fit: TypeAlias = Callable[[Pairs, Pairs], DriftMap]
_METHODS: tuple[Fit, ...] = (
    lambda fitted, held: fit_ridge(fitted, held),
    lambda fitted, _: fit_procrustes(fitted),
    lambda fitted, _: fit_procrustes(fitted, centred=True, scaled=True),
    lambda fitted, _: fit_mean_shift(fitted),
    lambda fitted, _: fit_identity(fitted),
    lambda fitted, held: fit_low_rank(fitted, held, rank=_rank(fitted)),
)


def _fitted(sample: Sample, fitted: Pairs, held: Pairs, aim: Aim) -> Iterator[DriftMap]:
    """Every map that these pairs allow."""
    for fit in _METHODS:
        with suppress(PairsError, UnmappableSpaceError):  # these pairs do not allow it
            yield fit(fitted, held)
    asked = _of_documents(sample.spans, frozenset(fitted.documents))
    if aim == "gain" and asked is not None and len(fitted) >= least_of_rotation(fitted):
        yield from fit_stretched(fitted, asked.values)


class _HeldOut:
    """Held-out texts as queries against the stored vectors of a sample."""

    def __init__(self, sample: Sample, held: Pairs) -> None:
        self._held = held
        self._stored = sample.stored
        self._exam = Exam(sample.documents)
        self._whole = np.array([kind == "document" for kind in held.kinds])
        self._spans = _of_documents(sample.spans, frozenset(held.documents))

    def judged(self, drift: DriftMap, seed: int, corpus: str) -> Candidate:
        """What a map reaches; its provenance says so, too."""
        scores = {"cosine": _cosine(drift, self._held), "overlap@10": self._overlap(drift)}
        if self._spans is not None:
            mapped = drift.apply_rows(self._spans.values) @ self._stored.T
            known = self._exam.known_item(mapped, self._spans.documents)
            scores["known-item nDCG@10"] = float(known.mean())
        drift = _with_scores(drift, seed, corpus, scores)
        known_item = scores.get("known-item nDCG@10")
        return Candidate(drift, scores["cosine"], scores["overlap@10"], known_item)

    def _overlap(self, drift: DriftMap) -> float:
        # Spans are more like queries than documents are, where the older model's are known.
        is_span = ~self._whole
        rows = self._held.take(is_span) if is_span.any() else self._held
        came = drift.apply_rows(rows.before) @ self._stored.T
        whole = None if is_span.any() else rows.documents
        return float(self._exam.overlap(came, rows.after @ self._stored.T, whole).mean())


def _of_documents(texts: Texts | None, documents: frozenset[str]) -> Texts | None:
    if texts is None:
        return None
    rows = [i for i, name in enumerate(texts.documents) if name in documents]
    if not rows:
        return None
    return Texts(texts.values[rows], tuple(texts.documents[i] for i in rows))


def _ranked(candidates: Sequence[Candidate], aim: Aim) -> list[Candidate]:
    if aim == "keep":
        return sorted(candidates, key=lambda c: (-c.overlap, -c.cosine))
    rotations = [c for c in candidates if c.drift.method == "procrustes"]
    first = rotations or list(candidates)
    rest = [c for c in candidates if c not in first]
    return [part for group in (first, rest) for part in sorted(group, key=_gain, reverse=True)]


def _gain(candidate: Candidate) -> float:
    known = candidate.known_item
    return candidate.overlap if known is None else known


def _rank(pairs: Pairs) -> int:
    return min(RANK, *pairs.dims)


def _cosine(drift: DriftMap, held: Pairs) -> float:
    made = drift.apply_rows(held.before).astype(np.float64)
    right = held.after / np.linalg.norm(held.after.astype(np.float64), axis=1, keepdims=True)
    return float((made * right).sum(axis=1).mean())


def _with_scores(drift: DriftMap, seed: int, corpus: str, scores: dict[str, float]) -> DriftMap:
    provenance = replace(drift.provenance, seed=seed, corpus=corpus, scores=scores)
    return replace(drift, provenance=provenance)
