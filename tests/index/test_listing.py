"""Listing stored documents, all or by a filter."""

from __future__ import annotations

import numpy as np
import pytest

import trivet
from trivet.errors import InvalidFilterError, InvalidInputError

TEXTS = [f"Note {i} about boats and anchors. " * (12 if i % 7 == 0 else 1) for i in range(300)]


def test_documents_lists_what_a_filter_selects_each_once_and_whole(index: trivet.Index) -> None:
    index.add(TEXTS, ids=[str(i) for i in range(300)], metadatas=[{"n": i} for i in range(300)])
    assert index.describe().chunks > 300  # some are cut
    listed = {document.id: document for document in index.documents()}
    assert {id: document.text for id, document in listed.items()} == {
        str(i): text for i, text in enumerate(TEXTS)
    }
    some = sorted(int(d.id or "") for d in index.documents(filter={"n": {"gte": 270, "lt": 290}}))
    assert some == list(range(270, 290))
    assert list(index.documents(filter={"n": -1})) == []


def test_documents_refuses_a_filter_at_once(index: trivet.Index) -> None:
    with pytest.raises(InvalidFilterError):
        index.documents(filter={"n": {"over": 3}})


def test_vectors_are_those_that_are_stored(
    index: trivet.Index, tiny_embedder: trivet.Embedder
) -> None:
    texts = ["A kedge is a light anchor.", "Leeway is sideways drift."]
    index.add([*texts, TEXTS[0]], ids=["a", "b", "long"])
    expected = tiny_embedder.embed_documents(texts[::-1]).dense
    found = index.vectors(["b", "a"]).dense
    assert expected is not None
    assert found is not None
    assert found.space == expected.space
    np.testing.assert_allclose(found.values, expected.values, atol=1e-5)
    for ids in (["a", "gone"], ["long"]):
        with pytest.raises(InvalidInputError, match="one chunk"):
            index.vectors(ids)
