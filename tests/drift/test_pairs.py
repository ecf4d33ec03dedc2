"""Pairs that no map can be fitted to, and how they are split."""

from __future__ import annotations

import numpy as np
import pytest
from drifting import clustered, noisy, paired, space

from trivet.drift.pairs import Pairs
from trivet.errors import PairsError


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("side", ["before", "after"])
def test_numbers_that_are_not_finite_are_refused_with_their_row(bad: float, side: str) -> None:
    rows = {"before": clustered(20, 4, 0), "after": clustered(20, 4, 1)}
    rows[side][7, 2] = bad
    with pytest.raises(PairsError, match="in row 7"):
        paired(**rows)


def test_constant_vectors_are_refused() -> None:
    with pytest.raises(PairsError, match="20 times one and the same of 'old'"):
        paired(clustered(20, 4, 0), np.ones((20, 4), np.float32))


def test_vectors_without_length_are_refused() -> None:
    rows = clustered(20, 4, 0)
    rows[3] = 0
    with pytest.raises(PairsError, match="zeros in row 3"):
        paired(rows, clustered(20, 4, 1))


def test_lengths_and_shapes_must_agree() -> None:
    rows = clustered(20, 4, 0)
    with pytest.raises(PairsError, match="as many vectors"):
        Pairs(space("a", 4), space("b", 4), rows, rows[:19], ("d",) * 20, ("span",) * 20)
    with pytest.raises(PairsError, match=r"expected \(n, 5\)"):
        Pairs(space("a", 5), space("b", 4), rows, rows, ("d",) * 20, ("span",) * 20)


def test_a_text_counts_once() -> None:
    rows = clustered(20, 4, 0)
    doubled = np.concatenate([rows, rows[5:8]])
    assert len(paired(doubled, doubled).distinct()) == 20
    np.testing.assert_array_equal(paired(doubled, doubled).distinct().before, rows)


def test_a_split_keeps_the_texts_of_a_document_together() -> None:
    pairs = noisy(60)
    documents = tuple(f"d{i % 20}" for i in range(60))
    grouped = Pairs(pairs.source, pairs.target, pairs.before, pairs.after, documents, pairs.kinds)
    fitted, held = grouped.split(0.25, seed=3)
    assert set(fitted.documents).isdisjoint(held.documents)
    assert len(set(held.documents)) == 5
    assert len(fitted) + len(held) == 60
    assert grouped.split(0.25, seed=3)[1].documents == held.documents
    assert grouped.split(0.25, seed=4)[1].documents != held.documents


def test_one_document_cannot_be_split() -> None:
    pairs = noisy(20)
    alone = Pairs(pairs.source, pairs.target, pairs.before, pairs.after, ("d",) * 20, pairs.kinds)
    with pytest.raises(PairsError, match="two documents or more"):
        alone.split(0.2, seed=0)


def test_a_map_knows_what_it_was_fitted_to() -> None:
    provenance = noisy(20).provenance(seed=4, corpus="c")
    assert (provenance.pairs, provenance.documents, provenance.seed) == (20, 20, 4)
    assert provenance.sources == {"document": 20}
    assert provenance.corpus == "c"


def test_texts_that_are_added_stay_with_their_documents() -> None:
    pairs, others = noisy(20), noisy(5, seed=1)
    both = pairs.with_texts(others.before, others.after, others.documents, "span")
    np.testing.assert_array_equal(both.before[20:], others.before)
    np.testing.assert_array_equal(both.after[:20], pairs.after)
    assert both.provenance().sources == {"document": 20, "span": 5}
    fitted, held = both.split(0.2, 0)
    assert set(fitted.documents).isdisjoint(held.documents)
    assert len(fitted) + len(held) == 25
