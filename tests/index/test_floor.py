"""The dense floor is the embedder's own, found once and kept with the index."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import trivet
import trivet.thinking
from trivet import Plan
from trivet.errors import StoreError

from .hits import assert_same

TEXTS = ["a kedge is a light anchor", "bread and milk are food", "stars show the way at night"]


def expected_floor(embedder: trivet.Embedder) -> float:
    """Nine tenths of the passages on something else in the same topic are below it."""
    topics = json.loads((Path(trivet.thinking.__file__).parent / "guard.json").read_text())
    cosines = []
    for topic in topics:
        queries = embedder.embed_queries([row["query"] for row in topic], truncate=True)
        passages = embedder.embed_documents([row["passage"] for row in topic], truncate=True)
        for i, query in enumerate(queries.dense.values):
            for j, passage in enumerate(passages.dense.values):
                if i != j:
                    lengths = np.linalg.norm(query) * np.linalg.norm(passage)
                    cosines.append(float(query @ passage / lengths))
    return float(np.quantile(cosines, 0.9))


def test_the_floor_fits_the_embedder_and_stays_with_the_index(
    tmp_path: Path, tiny_model: Path, tiny_embedder: trivet.Embedder
) -> None:
    expected = expected_floor(tiny_embedder)
    assert expected > 0.6  # of random weights all texts are alike: .35 would never be reached
    with trivet.open(tmp_path / "index", model=tiny_embedder) as index:
        index.add(TEXTS)
        assert index.describe().dense_floor is None
        index.search("light anchor", modes=["dense"])
        assert index.describe().dense_floor is None  # no sum, no floor
        first = index.search("light anchor")
        assert index.describe().dense_floor == pytest.approx(expected, abs=0.0051)
    with trivet.open(tmp_path / "index") as index:
        assert index.describe().dense_floor == pytest.approx(expected, abs=0.0051)
        assert [hit.score for hit in index.search("light anchor")] == [hit.score for hit in first]


def test_the_floor_counts_in_the_sum_and_in_its_explanation(
    tmp_path: Path, tiny_embedder: trivet.Embedder
) -> None:
    with trivet.open(tmp_path / "index", model=tiny_embedder) as index:
        index.add(TEXTS, ids=["a", "b", "c"])
        [hit] = index.search("bread", k=1)
        floor = index.describe().dense_floor
        assert floor is not None
        cosine, bm25 = hit.scores["dense"], hit.scores["sparse"]
        multi = hit.scores.get("multi")
        if multi is None:
            dense = 0.59 * max(cosine, floor) + 0.01 * cosine
            assert hit.score == pytest.approx(dense + 0.4 * bm25 / (bm25 + 10), abs=1e-5)
        else:
            dense = 0.29 * max(cosine, floor) + 0.01 * cosine
            summed = dense + 0.2 * bm25 / (bm25 + 10) + 0.5 * multi
            assert hit.score == pytest.approx(summed, abs=1e-5)
        explanation = index.explain("bread", hit.id)
        assert explanation.score == pytest.approx(hit.score, abs=1e-4)
        assert f"max(cosine, {floor:g})" in explanation.plan
        own = Plan(weights={"dense": 0.6, "sparse": 0.4}, dense_floor=-1.0)
        [plain] = index.search("bread", k=1, plan=own)
        assert plain.score == pytest.approx(0.6 * cosine + 0.4 * bm25 / (bm25 + 10), abs=1e-5)


def test_where_nothing_can_be_written_searches_go_on(tiny_embedder, monkeypatch, caplog) -> None:
    with trivet.open(":memory:", model=tiny_embedder) as index:
        index.add(TEXTS)
        journal = index._shared.store.journal
        keep = journal.keep

        def full(name: str, content: bytes) -> bytes:
            if name.startswith("dense-floor"):
                raise StoreError("the disk is full")
            return keep(name, content)

        monkeypatch.setattr(journal, "keep", full)
        hits = index.search("light anchor")
        assert "is not kept" in caplog.text
        assert_same(index.search("light anchor"), hits)
        assert caplog.text.count("is not kept") == 1  # found once all the same


def random_vectors(texts: list[str]) -> np.ndarray:
    """Each text's by itself: all cosines are about 0."""
    rows = [np.random.default_rng(list(text.encode())).standard_normal(24) for text in texts]
    return np.stack(rows).astype(np.float32)


def test_who_keeps_to_the_old_model_of_an_upgrade_keeps_its_floor_and_its_guard(
    tmp_path: Path, tiny_embedder: trivet.Embedder
) -> None:
    old = trivet.Embedder.wrap(
        name="old", dims=24, documents=random_vectors, queries=random_vectors
    )
    texts = [f"{text} {number}" for text in TEXTS for number in range(10)]
    with trivet.open(tmp_path / "index", model=old) as index:
        index.add(texts, on_error="raise")
        upgrade = index.upgrade(tiny_embedder)
        upgrade.plan()
        upgrade.fit("gain")
        upgrade.verify()
        upgrade.cutover("translate", force=True)
        floors = {"new": expected_floor(tiny_embedder), "old": expected_floor(old)}
        assert floors["new"] - floors["old"] > 0.2
        index.search("light anchor")
        assert index.describe().dense_floor == pytest.approx(floors["new"], abs=0.0051)
        guards = {"new": index._shared.model.guard.least()}
    with trivet.open(tmp_path / "index", model=old) as pinned:
        pinned.search("light anchor")
        assert pinned.describe().dense_floor == pytest.approx(floors["old"], abs=0.0051)
        guards["old"] = pinned._shared.model.guard.least()
    with trivet.open(":memory:", model=old) as fresh:
        assert fresh._shared.model.guard.least() == guards["old"] != guards["new"]
