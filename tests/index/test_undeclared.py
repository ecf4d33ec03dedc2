"""Filters by fields without an index: answered, and on a server warned of."""

from __future__ import annotations

import pytest
from qdrant_client import models
from stub_server import StubServer

import trivet


@pytest.mark.loopback
def test_a_server_warns_once_of_a_filter_without_an_index(tiny_embedder, caplog) -> None:
    with (
        StubServer() as server,
        trivet.open(server.url, model=tiny_embedder, indexes={"year": "integer"}) as index,
    ):
        index.add(["an anchor", "a boat"], metadatas=[{"year": 1, "lang": "en"}, {"year": 2}])
        assert len(index.search("anchor", filter={"year": 1})) == 1
        assert "which has no index" not in caplog.text
        for _ in range(2):
            assert len(index.search("anchor", filter={"lang": "en", "year": 1})) == 1
        assert caplog.text.count("a filter asks for 'lang', which has no index") == 1
        nested = models.Filter(
            must_not=[
                models.Filter(
                    should=models.FieldCondition(
                        key="metadata.place.name", match=models.MatchValue(value="here")
                    )
                )
            ]
        )
        assert len(index.search("anchor", filter=nested)) == 2
        assert "'place.name'" in caplog.text


def test_a_folder_says_nothing(tiny_embedder, tmp_path, caplog) -> None:
    with trivet.open(tmp_path / "index", model=tiny_embedder) as index:
        index.add(["an anchor"], metadatas=[{"lang": "en"}])
        assert len(index.search("anchor", filter={"lang": "en"})) == 1
    assert caplog.text == ""
