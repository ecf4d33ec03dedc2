"""The four numbers of an upgrade, on documents that no map was fitted to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from trivet.drift.choosing import Aim
from trivet.drift.gates import Evidence, judge
from trivet.drift.intervals import Estimate, mean, ratio
from trivet.drift.map import DriftMap
from trivet.drift.measures import Exam, PerQuery, Scores
from trivet.embedding import Embedder
from trivet.errors import PairsError
from trivet.index.upgrade.judging import ndcg
from trivet.index.upgrade.sampling import (
    SPAN_SEED,
    StoredSample,
    cut_spans,
    embed_chunks,
    embed_spans,
)
from trivet.index.upgrade.values import MODES, Change, Numbers, UpgradeMode, UpgradeReport
from trivet.types import Vectors

# Spans in the report, and characters of each text.
CHANGES = 10
SHOWN = 300


@dataclass(frozen=True, eq=False)
class Trial:
    """What a verification measures on.

    Attributes:
        sample: stored chunks: those that were drawn, and those that are judged.
        held: the keys of documents that no map was fitted to.
        new: the newer model.
        old: the older one; None where it is not at hand.
        query_map: newer queries → stored vectors.
        translation: stored vectors → newer ones.
        judged: queries of the caller, each with the keys and grades of its documents.
    """

    sample: StoredSample
    held: frozenset[str]
    new: Embedder
    old: Embedder | None
    query_map: DriftMap
    translation: DriftMap
    judged: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Sides:
    """Scores of the same queries against the same chunks, four ways, and without any map."""

    old: Scores | None
    query: Scores
    translate: Scores
    native: Scores
    unmapped: Scores | None


def run_trial(trial: Trial, aim: Aim) -> UpgradeReport:
    """Measure both modes, and judge them.

    Raises:
        PairsError: nothing was held out that has enough words.
        ModelError: a model failed.
    """
    native = embed_chunks(trial.new, trial.sample.chunks)
    translated = trial.translation.apply_rows(trial.sample.stored)
    held = [chunk for chunk in trial.sample.chunks if chunk.key in trial.held]
    spans, keys = cut_spans(held, SPAN_SEED)
    if not spans:
        raise PairsError(
            "expected held-out documents of five words or more, got none: add longer documents"
        )
    exam = Exam(trial.sample.keys)
    sides = _scored(trial, spans, native, translated)
    known = _each(sides, lambda scores: exam.known_item(scores, keys))
    judged = None
    if trial.judged:
        grades = list(trial.judged.values())
        asked = _scored(trial, list(trial.judged), native, translated)
        judged = _each(asked, lambda scores: ndcg(scores, trial.sample.keys, grades))
    overlap, unmapped = _overlaps(trial, exam, sides, native, translated)
    report = _reported(aim, known, judged, overlap, unmapped)
    models = trial.query_map.target.model, trial.query_map.source.model
    return replace(report, models=models, changes=_changes(trial, exam, spans, sides))


def _changes(trial: Trial, exam: Exam, spans: Sequence[str], sides: _Sides) -> tuple[Change, ...]:
    """The spans that the compensated queries answer least like the old model."""
    if sides.old is None:
        return ()
    shared = exam.overlap(sides.query, sides.old, None)
    texts = [chunk.text[:SHOWN] for chunk in trial.sample.chunks]
    return tuple(
        Change(spans[i], texts[int(sides.old[i].argmax())], texts[int(sides.query[i].argmax())])
        for i in np.argsort(shared, kind="stable")[:CHANGES]
    )


def _scored(trial: Trial, texts: Sequence[str], native: Vectors, translated: Vectors) -> _Sides:
    queries = embed_spans(trial.new, texts)
    stored = trial.sample.stored
    return _Sides(
        old=None if trial.old is None else embed_spans(trial.old, texts) @ stored.T,
        query=trial.query_map.apply_rows(queries) @ stored.T,
        translate=queries @ translated.T,
        native=queries @ native.T,
        unmapped=_unmapped(queries, stored),
    )


def _unmapped(queries: Vectors, stored: Vectors) -> Scores | None:
    return queries @ stored.T if queries.shape[1] == stored.shape[1] else None


def _overlaps(
    trial: Trial, exam: Exam, sides: _Sides, native: Vectors, translated: Vectors
) -> tuple[dict[UpgradeMode, Estimate], Estimate | None]:
    """With the old ranking: of spans, or of whole documents where the old model is not at hand.

    Returns:
        Of each mode; and without any map.
    """
    stored, right, whole = trial.sample.stored, sides.old, None
    if right is None:
        rows = np.array([key in trial.held for key in trial.sample.keys])
        whole = [key for key in trial.sample.keys if key in trial.held]
        right = stored[rows] @ stored.T
        sides = _Sides(
            old=right,
            query=trial.query_map.apply_rows(native[rows]) @ stored.T,
            translate=native[rows] @ translated.T,
            native=native[rows] @ native.T,
            unmapped=_unmapped(native[rows], stored),
        )
    plain = None if sides.unmapped is None else mean(exam.overlap(sides.unmapped, right, whole))
    came: dict[UpgradeMode, Scores] = {"query": sides.query, "translate": sides.translate}
    return {mode: mean(exam.overlap(came[mode], right, whole)) for mode in MODES}, plain


@dataclass(frozen=True, eq=False)
class _Measured:
    """A metric of the same queries, four ways."""

    old: PerQuery | None
    query: PerQuery
    translate: PerQuery
    native: PerQuery

    @property
    def numbers(self) -> Numbers:
        old = None if self.old is None else mean(self.old)
        return Numbers(old, mean(self.query), mean(self.translate), mean(self.native))

    @property
    def retention(self) -> dict[UpgradeMode, Estimate]:
        """Over the old model's; empty without it."""
        if self.old is None:
            return {}
        return {"query": ratio(self.query, self.old), "translate": ratio(self.translate, self.old)}


def _each(sides: _Sides, metric: Callable[[Scores], PerQuery]) -> _Measured:
    return _Measured(
        None if sides.old is None else metric(sides.old),
        metric(sides.query),
        metric(sides.translate),
        metric(sides.native),
    )


def _reported(
    aim: Aim,
    known: _Measured,
    judged: _Measured | None,
    overlap: Mapping[UpgradeMode, Estimate],
    unmapped: Estimate | None,
) -> UpgradeReport:
    retained = {} if judged is None else judged.retention
    kept = known.retention
    evidence = {
        mode: Evidence(overlap[mode], kept.get(mode), retained.get(mode), unmapped)
        for mode in MODES
    }
    verdicts = {mode: judge(each, aim) for mode, each in evidence.items()}
    return UpgradeReport(
        aim=aim,
        known_item=known.numbers,
        judged=None if judged is None else judged.numbers,
        overlap=overlap,
        retention=kept,
        verdicts=verdicts,
        unmapped=unmapped,
    )
