"""What an index keeps of thinking, for whom, and which ways to think it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
from thinkers import Counting

import trivet
from trivet.errors import InvalidInputError, TenantError
from trivet.thinking import Cached, Given, Thinking

from .thoughtful import QUERY, TEXTS, THOUGHT, filled_index, thinking


@pytest.fixture
def filled(tiny_embedder) -> Iterator[trivet.Index]:
    with filled_index(tiny_embedder) as index:
        yield index


def test_the_guard_is_found_once_and_kept_with_the_index(tiny_embedder, tmp_path) -> None:
    with trivet.open(tmp_path / "index", model=tiny_embedder) as index:
        index.add(list(TEXTS.values()), ids=list(TEXTS))
        chosen, told = thinking(Given([THOUGHT]))
        index.search(QUERY, think=chosen)
        name = index._model.guard._name()
        kept = json.loads(index._store.journal.kept(name))
        assert told[0].guard == kept
    dense = tiny_embedder.only(["dense"])
    texts = __import__("trivet.thinking.guard", fromlist=["x"]).guard_texts()
    one = dense.embed_queries(list(texts.queries), truncate=True).dense.values
    other = dense.embed_documents(list(texts.thoughts), truncate=True).dense.values
    expected = np.quantile((one @ other.T)[texts.is_foreign], 0.975)
    assert kept == pytest.approx(float(expected), abs=1e-4)


def test_thoughts_of_tenants_are_kept_apart(tiny_embedder, tmp_path) -> None:
    thinker = Counting(THOUGHT)
    cached = Cached(thinker, tmp_path / "c.sqlite")
    with trivet.open(tmp_path / "index", model=tiny_embedder, tenants=True) as index:
        for name in ("ann", "bob"):
            index.tenant(name).add(list(TEXTS.values()))
            index.tenant(name).search(QUERY, think=cached)
    assert [request.tenant for request in thinker.asked] == ["ann", "bob"]


async def test_thinking_for_another_tenant_than_the_one_that_is_searched_is_refused(
    tiny_embedder, filled, tmp_path
) -> None:
    thinker = Counting(THOUGHT)
    with trivet.open(tmp_path / "index", model=tiny_embedder, tenants=True) as index:
        ann = index.tenant("ann")
        ann.add(list(TEXTS.values()))
        ann.search(QUERY, think=Thinking(thinker, tenant="ann"))
        with pytest.raises(TenantError, match=r"'ann'.*'bob'"):
            ann.search(QUERY, think=Thinking(thinker, tenant="bob"))
        with pytest.raises(TenantError, match=r"'ann'.*'bob'"):
            await ann.asearch(QUERY, think=Thinking(thinker, tenant="bob"))
    filled.search(QUERY, think=Thinking(thinker, tenant="bob"))  # an index without tenants
    assert [request.tenant for request in thinker.asked] == ["ann", "bob"]


@pytest.mark.parametrize("wrong", ["a thinker", 7, Given, lambda prompt: ""])
async def test_what_is_no_thinker_is_refused(filled, wrong) -> None:
    with pytest.raises(InvalidInputError, match="thinker"):
        filled.search(QUERY, think=wrong)
    with pytest.raises(InvalidInputError, match="thinker"):
        await filled.asearch(QUERY, think=wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"deadline_s": 0},
        {"deadline_s": float("inf")},
        {"guard": 2},
        {"kinds": ()},
        {"kinds": ("poem",)},
    ],
)
def test_a_way_to_think_that_means_nothing_is_refused(wrong) -> None:
    with pytest.raises(InvalidInputError):
        Thinking(Given([THOUGHT]), **wrong)


def test_thoughts_may_be_cached_in_the_folder_of_the_index(tiny_embedder, tmp_path) -> None:
    place, thinker = tmp_path / "index", Counting(THOUGHT)
    for _ in range(2):  # the second opening finds a file that is not the index's own
        with trivet.open(place, model=tiny_embedder) as index:
            index.add(list(TEXTS.values()), ids=list(TEXTS))
            chosen, told = thinking(Cached(thinker, place), guard=-1.0, deadline_s=60.0)
            index.search(QUERY, think=chosen)
            assert told[0].used
            assert index.verify().is_clean
    assert (place / "thoughts.sqlite").is_file()
    assert told[0].status == "cached"
    assert len(thinker.asked) == 1
