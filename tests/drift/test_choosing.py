"""The choice of a map on held-out documents, by the aim."""

from __future__ import annotations

import numpy as np
import pytest
from drifting import clustered, noisy, paired, rotation, unit

from trivet.drift.choosing import Sample, choose_query_map, choose_translation
from trivet.drift.fitting import STRETCHES
from trivet.drift.measures import Exam, Texts
from trivet.drift.pairs import Pairs
from trivet.errors import DriftError, PairsError


def _sample(pairs: Pairs, spans: Texts | None = None) -> Sample:
    return Sample(pairs, unit(pairs.after), pairs.documents, spans)


def _spans(pairs: Pairs, noise: float) -> Texts:
    random = np.random.default_rng(9)
    near = pairs.before + noise * random.standard_normal(pairs.before.shape)
    return Texts(unit(near), pairs.documents)


def test_keep_takes_the_highest_overlap() -> None:
    before = clustered(600, 16, 0)
    pairs = paired(before, unit(before @ (rotation(16, 1) * np.linspace(1, 2, 16)) + 0.05))
    choice = choose_query_map(_sample(pairs), "keep")
    overlaps = [c.overlap for c in choice.candidates]
    assert choice.drift is choice.candidates[0].drift
    assert overlaps == sorted(overlaps, reverse=True)
    assert overlaps[0] > 0.9
    assert choice.drift.provenance.scores["overlap@10"] == overlaps[0]
    methods = [c.drift.method for c in choice.candidates]
    assert sorted(set(methods)) == [
        "identity", "low_rank", "mean_shift", "procrustes", "ridge"
    ]  # fmt: skip


def test_gain_takes_the_rotation_that_finds_most_known_items() -> None:
    before = clustered(600, 16, 0)
    after = unit(before @ rotation(16, 1) + 0.05 * np.random.default_rng(1).random((600, 16)))
    pairs = paired(before, after)
    choice = choose_query_map(_sample(pairs, _spans(pairs, 0.1)), "gain")
    assert choice.drift.method == "procrustes"
    known = [c.known_item for c in choice.candidates if c.drift.method == "procrustes"]
    assert len(known) == 2 + len(STRETCHES)
    assert choice.candidates[0].known_item == max(known)


def test_gain_stretches_queries_where_stored_vectors_lie_close_together() -> None:
    # Short texts lie elsewhere than documents; the older model adds one large vector to all.
    random = np.random.default_rng(2)
    before = clustered(600, 16, 0)
    crowd = 6 * rotation(16, 3)[0]
    seen = before @ rotation(16, 1) + 0.4 * random.standard_normal((600, 16))
    pairs = paired(before, unit(seen + crowd))
    apart = 0.5 * rotation(16, 4)[0]
    spans = Texts(unit(before + apart + 0.1 * random.standard_normal((600, 16))), pairs.documents)
    best = choose_query_map(_sample(pairs, spans), "gain").candidates
    assert best[0].drift.parameters["centred"] == "queries"
    others = [c.known_item for c in best if c.drift.parameters.get("centred") != "queries"]
    assert best[0].known_item > max(k for k in others if k is not None) + 0.02


def test_gain_with_fewer_pairs_than_dims_does_without_rotations() -> None:
    before = clustered(40, 64, 0)
    pairs = paired(before, unit(before + 0.02 * np.random.default_rng(1).random((40, 64))))
    methods = {c.drift.method for c in choose_query_map(_sample(pairs), "gain").candidates}
    assert methods == {"identity", "mean_shift", "ridge"}


def test_few_pairs_are_never_worse_than_no_map_on_what_is_held_out() -> None:
    before = clustered(50, 64, 0)
    pairs = paired(before, unit(before + 0.05 * np.random.default_rng(1).random((50, 64))))
    choice = choose_query_map(_sample(pairs), "keep")
    none = next(c for c in choice.candidates if c.drift.method == "identity")
    assert choice.candidates[0].overlap >= none.overlap


def test_no_document_that_is_held_out_was_fitted_to() -> None:
    pairs = noisy(100)
    seen: list[str] = []
    choice = choose_query_map(_sample(pairs), "keep", seed=5)
    fitted, held = pairs.split(0.2, seed=5)
    seen = list(fitted.documents)
    assert choice.held == frozenset(held.documents)
    assert choice.held.isdisjoint(seen)
    assert all(c.drift.provenance.pairs == len(fitted) for c in choice.candidates)


def test_unequal_dims_leave_the_methods_that_have_a_matrix() -> None:
    choice = choose_query_map(_sample(noisy(200, 12, 8)), "keep")
    assert {c.drift.method for c in choice.candidates} == {"ridge", "procrustes", "low_rank"}


def test_a_translation_is_a_ridge_from_the_stored_to_the_new() -> None:
    pairs = noisy(200, 12, 8)
    choice = choose_translation(pairs, seed=2, corpus="c")
    assert choice.drift.method == "ridge"
    assert choice.drift.dims == (12, 8)
    assert choice.drift.provenance.corpus == "c"
    held = pairs.split(0.2, seed=2)[1]
    made = choice.drift.apply_rows(held.before)
    expected = float((made * held.after).sum(axis=1).mean())
    assert choice.drift.provenance.scores["cosine"] == pytest.approx(expected, abs=1e-5)


def test_what_cannot_be_chosen_is_refused() -> None:
    with pytest.raises(DriftError, match="'keep' or 'gain'"):
        choose_query_map(_sample(noisy(100)), "better")
    with pytest.raises(PairsError, match="more than 10 documents"):
        choose_query_map(_sample(noisy(10)), "keep")
    with pytest.raises(PairsError, match="add texts"):
        choose_query_map(_sample(noisy(11, 12, 8)), "keep")


def test_overlap_is_the_share_of_the_ten_best_without_the_text_itself() -> None:
    random = np.random.default_rng(0)
    names = tuple(f"d{i}" for i in range(40))
    came, expected = random.random((2, 5, 40)).astype(np.float32)
    asking = ("d3", "d9", "d0", "d1", "d2")

    def ten(row: np.ndarray, own: int | None) -> set[int]:
        order = [i for i in np.argsort(-row) if i != own]
        return set(order[:10])

    exam = Exam(names)
    for whole in (None, asking):
        own = [None if whole is None else int(name[1:]) for name in asking]
        right = [
            len(ten(a, o) & ten(b, o)) / 10 for a, b, o in zip(came, expected, own, strict=True)
        ]
        np.testing.assert_allclose(exam.overlap(came, expected, whole), right)


def test_a_known_item_counts_by_the_best_of_its_vectors() -> None:
    names = ("a", "b", "b", *(f"d{i}" for i in range(12)))
    scores = np.zeros((3, 15), np.float32)
    scores[:, 3:] = np.linspace(0.5, 0.4, 12)
    scores[0, 2] = 0.9  # the second vector of b is first
    scores[1, 0] = 0.495  # a is second
    came = Exam(names).known_item(scores, ("b", "a", "b"))
    np.testing.assert_allclose(came, [1.0, 1 / np.log2(3), 0.0])
    assert len(Exam(names).known_item(scores, ("b", "elsewhere", "b"))) == 2
