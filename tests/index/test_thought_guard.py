"""How like its query a thought has to be: found for each embedder, and kept with the index."""

from __future__ import annotations

import json

import numpy as np
import pytest

import trivet
from trivet.errors import StoreError
from trivet.index import guard as guards
from trivet.thinking import Given, Thinking, ThoughtReport
from trivet.thinking.guard import guard_texts

TEXTS = ["the anchor holds the ship", "bread is made of salt and water", "the storm is near"]
QUERY, THOUGHT = "what holds a ship", "An anchor and its chain hold the ship against the wind."


def guard_of(index: trivet.Index, **options: object) -> float:
    told: list[ThoughtReport] = []
    index.search(QUERY, think=Thinking(Given([THOUGHT]), tell=told.append, **options))
    return told[0].guard


def test_an_index_that_is_opened_again_has_the_guard_that_it_found(
    location, open_index, monkeypatch
) -> None:
    if location == ":memory:":
        pytest.skip("nothing outlives it")
    with open_index() as index:
        index.add(TEXTS)
        found = guard_of(index)

    def unexpected() -> None:
        raise AssertionError("it was found before")

    monkeypatch.setattr(guards, "guard_texts", unexpected)
    with open_index() as index:
        assert guard_of(index) == found


def test_a_guard_of_the_callers_choice_is_not_kept(tiny_embedder) -> None:
    with trivet.open(":memory:", model=tiny_embedder) as index:
        index.add(TEXTS)
        assert guard_of(index, guard=-0.5) == -0.5
        assert guard_of(index) != -0.5


def test_of_an_embedder_whose_cosines_are_all_high_the_guard_is_high(tiny_embedder) -> None:
    """As decoders have it: all their vectors lie about one direction."""
    dense = tiny_embedder.only(["dense"])
    dims = dense.spaces["dense"].dims

    def narrow(rows: np.ndarray) -> np.ndarray:
        shifted = rows.astype(np.float64) + 3.0 * np.eye(dims)[0]
        return shifted / np.linalg.norm(shifted, axis=1, keepdims=True)

    def documents(texts: list[str]) -> list[list[float]]:
        return narrow(dense.embed_documents(texts, truncate=True).dense.values).tolist()

    def queries(texts: list[str]) -> list[list[float]]:
        return narrow(dense.embed_queries(texts, truncate=True).dense.values).tolist()

    texts = guard_texts()
    cosines = np.array(queries([*texts.queries])) @ np.array(documents([*texts.thoughts])).T
    expected = float(np.quantile(cosines[texts.is_foreign], 0.975))
    model = trivet.Embedder.wrap(name="narrow", dims=dims, documents=documents, queries=queries)
    with trivet.open(":memory:", model=model) as index:
        index.add(TEXTS)
        assert guard_of(index) == pytest.approx(expected, abs=1e-4)
    assert expected > 0.85
    turned_away = np.mean(cosines[texts.is_foreign] < expected)
    assert turned_away == pytest.approx(0.975, abs=0.005)


@pytest.mark.model
def test_of_minilm_it_turns_foreign_thoughts_away() -> None:
    with trivet.open(":memory:") as index:
        index.add(TEXTS)
        found = guard_of(index)
        name = index._model.guard._name()
        assert json.loads(index._store.journal.kept(name)) == found
        dense = index._model.found().only(["dense"])
        texts = guard_texts()
        one = dense.embed_queries(list(texts.queries)).dense.values
        cosines = one @ dense.embed_documents(list(texts.thoughts)).dense.values.T
    assert np.mean(cosines[texts.is_foreign] >= found) <= 0.03
    # Of three judged collections this keeps 97 % of the own thoughts and more.
    assert 0.40 <= found <= 0.50


def test_where_nothing_can_be_written_thoughts_are_judged_all_the_same(
    tiny_embedder, monkeypatch, caplog
) -> None:
    with trivet.open(":memory:", model=tiny_embedder) as index:
        index.add(["a kedge is a light anchor"])
        index.search("anchor")
        expected = index._model.guard._made()

        def full(name: str, content: bytes) -> bytes:
            raise StoreError("the disk is full")

        monkeypatch.setattr(index._shared.store.journal, "keep", full)
        assert index._model.guard.least() == expected
        assert "is not kept" in caplog.text
