"""A leg's score that follows from a plan's sum is the score that the leg would tell itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from indexes import DENSE, make_index

from trivet import Document, Plan
from trivet.index.lexicon import bm25_for
from trivet.store.filters import payload_filter
from trivet.store.leg_query import LegQuery
from trivet.store.points import Chunk
from trivet.store.request import PlannedQuery
from trivet.types import DenseVectors, Representations

WORDS = "anchor sail wind keel rudder mast rope chart star tide".split()
# Of each one whose share is too small to deduce a score from, one that is just enough, and none.
WEIGHTS = [(0.0, 0.4), (0.001, 0.4), (0.006, 1.0), (0.6, 0.4), (5.0, 30.0), (1.0, 0.0)]


@pytest.mark.parametrize("place", ["memory", "folder"])
@pytest.mark.parametrize("floor", [-1.0, 0.0, 0.35, 0.9])
def test_a_cosine_read_off_the_sum_is_the_cosine(tmp_path: Path, place: str, floor: float) -> None:
    random = np.random.default_rng(3)
    index = make_index(":memory:" if place == "memory" else tmp_path / "index")
    rows = random.standard_normal((60, 8)).astype(np.float32)
    documents = [
        Document(" ".join(random.choice(WORDS, 5)), str(n), metadata={"part": n % 3})
        for n in range(len(rows))
    ]
    index.upsert(documents, representations=Representations(DenseVectors(DENSE, rows)))
    store = index._store
    names = {mode: space.vector_name for mode, space in store.manifest.spaces.items()}
    state = store.manifest.lexical
    assert state is not None
    terms = bm25_for(state).embed_queries(["anchor tide"]).values[0]
    for dense, sparse in WEIGHTS:
        query = random.standard_normal(8).astype(np.float32)
        query /= np.linalg.norm(query)
        legs = {
            "dense": LegQuery("dense", names["dense"], query),
            "sparse": LegQuery("sparse", names["sparse"], terms),
        }
        plan = Plan(weights={"dense": dense, "sparse": sparse}, dense_floor=floor)
        where = payload_filter({"part": [0, 1]})
        planned = PlannedQuery(plan, legs, 15, where)
        ranked = planned.read(store.query(planned.requests()))
        assert len(ranked) == 15
        for one in ranked:
            n = int(Chunk.from_payload(one.point.payload).key)
            cosine = float(rows[n] @ query / np.linalg.norm(rows[n]))
            assert n % 3 < 2
            assert one.scores["dense"] == pytest.approx(cosine, abs=2e-5)
    index.close()
