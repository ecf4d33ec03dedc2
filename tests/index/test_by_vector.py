"""Searches by dense vectors that the caller brings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import trivet
from trivet.errors import (
    InvalidInputError,
    InvalidPlanError,
    SpaceMismatchError,
    UnknownModeError,
)
from trivet.types import DenseVectors

TEXTS = {"a": "a light anchor", "b": "sideways drift", "c": "six feet"}


@pytest.fixture
def filled(index: trivet.Index) -> trivet.Index:
    index.add(list(TEXTS.values()), ids=list(TEXTS), metadatas=[{"of": id} for id in TEXTS])
    return index


def test_vectors_of_queries_find_what_their_texts_find(
    filled: trivet.Index, tiny_embedder: trivet.Embedder
) -> None:
    queries = ["anchor", "drift"]
    dense = tiny_embedder.embed_queries(queries).dense
    found = filled.search_vectors(dense, k=2)
    by_text = filled.search_many(queries, k=2, modes=["dense"])
    assert [[hit.id for hit in hits] for hits in found] == [
        [h.id for h in hits] for hits in by_text
    ]
    documents = tiny_embedder.embed_documents(list(TEXTS.values())).dense.values
    expected = np.sort(dense.values @ documents.T)[:, ::-1][:, :2]
    scores = [[hit.score for hit in hits] for hits in found]
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    [only] = filled.search_vectors(dense, filter={"of": "c"})[:1]
    assert [hit.id for hit in only] == ["c"]


def test_vectors_that_do_not_fit_are_refused(
    filled: trivet.Index,
    tiny_embedder: trivet.Embedder,
    tiny_model_other: object,
) -> None:
    dense = tiny_embedder.embed_queries(["anchor"]).dense
    other = trivet.Embedder.load(tiny_model_other).embed_queries(["anchor"]).dense
    with pytest.raises(SpaceMismatchError):
        filled.search_vectors(other)
    for values in (dense.values[:, :5], dense.values * np.nan, dense.values[0]):
        with pytest.raises(InvalidInputError):
            filled.search_vectors(DenseVectors(dense.space, values))
    with pytest.raises(InvalidPlanError):
        filled.search_vectors(dense, plan=trivet.Plan({"sparse": 100}))
    assert filled.search_vectors(DenseVectors(dense.space, dense.values[:0])) == []


def test_an_index_without_dense_vectors_has_no_such_search(
    open_index: Callable[..., trivet.Index], tiny_embedder: trivet.Embedder
) -> None:
    with pytest.raises(UnknownModeError):
        open_index(modes=["sparse"]).search_vectors(tiny_embedder.embed_queries(["a"]).dense)
