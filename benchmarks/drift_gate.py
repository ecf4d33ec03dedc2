"""The gate of upgrades over many maps: what passes is good, and most of what is good passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.drift_moves import Move, cut, unit
from benchmarks.drift_training import fine_tuned
from benchmarks.drift_vectors import Corpus, corpus, embedded, minilm, of_embedder, static
from benchmarks.figures import Bar, Figure
from trivet import Embedder
from trivet.drift.fitting import fit_mean_shift, fit_procrustes, fit_ridge
from trivet.drift.gates import Evidence, judge
from trivet.drift.intervals import mean, ratio
from trivet.drift.map import DriftMap
from trivet.drift.measures import Exam
from trivet.drift.pairs import Pairs

GOOD = 0.95
COUNTS = (50, 200, 1_000)
# So few that a map between unequal dims keeps a little less than it should.
SCARCE = (100, 150, 250)
# A drifted model whose vectors are this much noise besides, relative to their length.
NOISES = (0.5, 1.0)


@dataclass(frozen=True)
class Judged:
    """A map's verdict, and the quality that it truly keeps."""

    what: str
    verdict: str
    retention: float
    drifted: bool


def gate() -> list[Figure]:
    """Every map's verdict on a line of its own, and what all of them come to."""
    judged = list(_every())
    for each in judged:
        print(f"{each.verdict:7} {each.retention:.3f} {each.what}", flush=True)
    passed = [each for each in judged if each.verdict == "PASS"]
    good = [each for each in judged if each.drifted and each.retention >= GOOD]
    worst = min((each.retention for each in passed), default=float("nan"))
    false = sum(each.retention < GOOD for each in passed)
    share = sum(each.verdict == "PASS" for each in good) / len(good)
    return [
        Figure("gate: maps", len(judged), Bar(low=60), digits=0),
        Figure("gate: passed", len(passed), digits=0),
        Figure(f"gate: passed with a true retention below {GOOD}", false, Bar(high=0), digits=0),
        Figure("gate: worst true retention that passed", worst, Bar(low=GOOD), digits=3),
        Figure(f"gate: maps of drifted models that truly keep {GOOD}", len(good), digits=0),
        Figure("gate: share of these that passed", share, Bar(low=0.8)),
    ]


def _every() -> Iterator[Judged]:
    moves = dict(_moves())
    for what, move in moves.items():
        drifted = any(part in what for part in ("tuned", "distilled"))
        for count in COUNTS:
            yield from _fitted(f"{what}, {count}", move, move, count, drifted=drifted)
    for what, move in moves.items():
        if "128 → 384" in what:
            for count in SCARCE:
                yield from _fitted(f"{what}, {count}", move, move, count, drifted=False)
        for noise in NOISES if "tuned" in what or "distilled" in what else ():
            noisy, label = _noisy(move, noise), f"{what}, noise {noise}, 200"
            yield from _fitted(label, noisy, noisy, 200, drifted=False)
    cranfield, medquad = moves["cranfield tuned"], moves["medquad-dev tuned"]
    yield from _fitted("other collection", medquad, cranfield, 1_000, drifted=False)
    yield from _fitted("other collection", cranfield, medquad, 1_000, drifted=False)
    for name, move in (("cranfield", cranfield), ("medquad-dev", medquad)):
        yield from _fitted(f"{name} shuffled", move, move, 1_000, drifted=False, shuffled=True)
        random = np.random.default_rng(0)
        noise = {
            part: unit(random.standard_normal(getattr(move.new, part).shape))
            for part in ("documents", "queries", "spans")
        }
        of_noise = replace(move, new=replace(move.new, **noise))
        yield from _fitted(f"{name} random model", of_noise, of_noise, 1_000, drifted=False)


def _noisy(move: Move, noise: float) -> Move:
    """To a newer model that is as much worse."""
    random = np.random.default_rng(1)
    parts = {}
    for part in ("documents", "queries", "spans"):
        rows = getattr(move.new, part)
        drawn = random.standard_normal(rows.shape) * noise / np.sqrt(rows.shape[1])
        parts[part] = unit(rows + drawn)
    return replace(move, new=replace(move.new, **parts))


def _moves() -> Iterator[tuple[str, Move]]:
    for name in ("cranfield", "medquad-dev"):
        of = corpus(name)
        whole = embedded(of, "minilm-6", minilm())
        for label, distilled in (("tuned", False), ("distilled", True)):
            encode = of_embedder(Embedder.load(fine_tuned(label, distilled=distilled)))
            yield f"{name} {label}", Move(of, whole, embedded(of, label, encode))
    for name in ("cranfield", "npl"):
        of = corpus(name)
        yield from parts(name, of)


def parts(name: str, of: Corpus) -> Iterator[tuple[str, Move]]:
    """Between MiniLM and smaller models made of it."""
    whole = embedded(of, "minilm-6", minilm())
    four = embedded(of, "minilm-4", minilm(layers=4))
    weak = embedded(of, "static", static(of))
    narrow = cut(whole, 128)
    yield f"{name} 384 → 128 dims", Move(of, whole, narrow)
    yield f"{name} 128 → 384 dims", Move(of, narrow, whole)
    yield f"{name} 6 → 4 layers", Move(of, whole, four)
    yield f"{name} 4 → 6 layers", Move(of, four, whole)
    yield f"{name} MiniLM → static", Move(of, whole, weak)


def _fitted(
    what: str, fitted_on: Move, tried_on: Move, count: int, *, drifted: bool, shuffled: bool = False
) -> Iterator[Judged]:
    """Each method's map of one set of pairs."""
    pairs = fitted_on.pairs(count, seed=3)
    if shuffled:
        order = np.random.default_rng(0).permutation(len(pairs))
        pairs = replace(pairs, after=pairs.after[order])
    fitted, held = pairs.distinct().split(0.2, 0)
    methods: dict[str, Callable[[Pairs], DriftMap]] = {"ridge": lambda p: fit_ridge(p, held)}
    if not shuffled:
        short = fitted_on.with_spans(fitted).distinct()
        methods["ridge with spans"] = lambda _: fit_ridge(short, held)
    if pairs.dims[0] == pairs.dims[1]:
        methods["mean shift"] = fit_mean_shift
    if len(fitted) >= max(pairs.dims):
        methods["procrustes"] = fit_procrustes
    for name, fit in methods.items():
        drift = fit(fitted)
        old = tried_on.before.mean()
        retention = float(tried_on.compensated(drift).mean() / old)
        own = fitted_on is tried_on
        verdict = _verdict(tried_on, drift, set(fitted.documents) if own else set())
        yield Judged(f"{what}: {name}", verdict, retention, drifted)


def _verdict(move: Move, drift: DriftMap, seen: set[str]) -> str:
    """On spans of up to 400 documents that the map was not fitted to, as `verify` measures it."""
    ids = move.of.collection.ids
    rows = [i for i, owner in enumerate(move.of.owners) if ids[owner] not in seen][:400]
    owners = [ids[move.of.owners[i]] for i in rows]
    exam = Exam(tuple(ids))
    came = drift.apply_rows(move.new.spans[rows]) @ move.old.documents.T
    right = move.old.spans[rows] @ move.old.documents.T
    asked, stored = move.new.spans[rows], move.old.documents
    same = asked.shape[1] == stored.shape[1]
    evidence = Evidence(
        mean(exam.overlap(came, right, None)),
        ratio(exam.known_item(came, owners), exam.known_item(right, owners)),
        unmapped=mean(exam.overlap(asked @ stored.T, right, None)) if same else None,
    )
    return judge(evidence, "keep").verdict
