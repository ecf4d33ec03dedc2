"""Pages of hits: together they are one ranking, whatever the plan and however long documents are."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

import trivet
from trivet.plan import PRESETS, Plan

WORDS = (
    "anchor boat chain deck engine flag gale harbour island jetty keel lamp mast net oar".split()
)
DRAWN = random.Random(5)
SENTENCES = [f"{' '.join(DRAWN.sample(WORDS, 6))}." for _ in range(190)]
# Forty short documents, and ten long ones, of fifteen chunks each.
TEXTS = [*SENTENCES[:40], *("\n\n".join(SENTENCES[40 + n : 190 : 10]) for n in range(10))]
QUERY = "anchor boat lamp jetty"
DEPTHS = {"dense": 30, "sparse": 30}


@pytest.fixture(scope="module")
def paged(tmp_path_factory, tiny_embedder: trivet.Embedder):
    """Short documents, and long ones of which each has many chunks, on a real engine."""
    folder = tmp_path_factory.mktemp("paged") / "index"
    legs = ["dense", "sparse", "multi"]
    settings = trivet.Settings(chunk_tokens=16)
    with trivet.open(folder, model=tiny_embedder, modes=legs, settings=settings) as index:
        index.add(TEXTS, ids=[f"d{position}" for position in range(len(TEXTS))])
        assert index.describe().chunks > 150
        yield index


PLANS = {
    **{name: replace(plan, depths=DEPTHS) for name, plan in PRESETS.items()},
    "dense": Plan({"dense": 30}),
    "dense, different": Plan({"dense": 30}, relevance=0.5),
    "tokens, different": Plan({"dense": 30}, {"dense": 0.5, "multi": 0.5}, relevance=0.7),
    "dense, rescored": Plan({"dense": 30}, rescore=12),
    "hybrid2, rescored": replace(PRESETS["hybrid2"], depths=DEPTHS, rescore=12),
}


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("chunks", [False, True])
def test_pages_never_repeat_and_never_leave_out(paged, name: str, chunks: bool) -> None:
    plan, seen = PLANS[name], []
    for offset in range(0, 24, 6):
        page = paged.search(QUERY, k=6, plan=replace(plan, offset=offset), chunks=chunks)
        # The same again, as another visitor asks for it.
        again = paged.search(QUERY, k=6, plan=replace(plan, offset=offset), chunks=chunks)
        assert [hit.id for hit in page] == [hit.id for hit in again]
        assert len(page) == 6
        assert [h.score for h in page] == sorted((h.score for h in page), reverse=True) or (
            plan.relevance is not None
        )
        seen += [hit.id for hit in page]
    assert len(set(seen)) == len(seen) == 24
