"""Dense vectors kept small: searches rescore by the originals, and the choice stays."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from stub_server import StubServer

import trivet
from trivet.cli.searching import show_index
from trivet.errors import InvalidInputError, SettingsMismatchError
from trivet.plan import Plan
from trivet.store.client_models import vectors_config
from trivet.store.leg_query import LegQuery
from trivet.store.manifest import read_manifest
from trivet.store.request import PlannedQuery
from trivet.store.storage import STORAGES, memory_bytes
from trivet.types import Space

WORDS = (
    "anchor boat chain deck engine flag gale harbour island jetty keel lamp mast net oar".split()
)
TEXTS = [f"the {a} and the {b} of {c}" for a in WORDS for b in WORDS[:4] for c in WORDS[:2]]
IDS = [f"d{position}" for position in range(len(TEXTS))]
SMALL = [name for name in STORAGES if name != "full"]


def cosines(embedder: trivet.Embedder, query: str) -> dict[str, float]:
    documents = embedder.embed_documents(TEXTS).dense.values
    scores = documents @ embedder.embed_queries([query]).dense.values[0]
    return dict(zip(IDS, scores.tolist(), strict=True))


@pytest.mark.parametrize("storage", SMALL)
def test_scores_are_those_of_the_originals(tiny_embedder, tmp_path, storage) -> None:
    expected = cosines(tiny_embedder, "the lamp and the boat")
    with trivet.open(tmp_path / "index", model=tiny_embedder, storage=storage) as index:
        index.add(TEXTS, ids=IDS)
        hits = index.search("the lamp and the boat", k=10, modes=["dense"])
        assert len(hits) == 10
        for hit in hits:
            assert hit.score == pytest.approx(expected[hit.id], abs=1e-5)
        for hit in index.search("the lamp and the boat", k=10):
            assert hit.scores["dense"] == pytest.approx(expected[hit.id], abs=1e-5)


def test_an_optimized_index_is_searched_as_before(tiny_embedder, tmp_path) -> None:
    query = "the lamp and the boat"
    expected = cosines(tiny_embedder, query)
    with trivet.open(tmp_path / "index", model=tiny_embedder, storage="int8") as index:
        index.add(TEXTS, ids=IDS)
        assert index.measure_recall().small_chunks == 0
        index.optimize(force=True)
        report = index.measure_recall(k=5, sample=30)
        hits = index.search(query, k=5, modes=["dense"])
    # The engine leaves a segment as it is whose vectors take less than 10 MB.
    assert (report.storage, report.small_chunks, report.chunks) == ("int8", 0, 120)
    assert (report.k, report.sampled) == (5, 30)
    assert report.recall >= 0.9
    best = sorted(expected.values(), reverse=True)[:5]
    assert [hit.score for hit in hits] == pytest.approx(best, abs=1e-5)


def test_what_was_chosen_stays(tiny_embedder, tmp_path) -> None:
    with trivet.open(tmp_path / "index", model=tiny_embedder, storage="binary") as index:
        index.add(TEXTS, ids=IDS)
    assert read_manifest(tmp_path / "index").storage == "binary"
    with trivet.open(tmp_path / "index") as index:
        assert index.measure_recall().storage == "binary"
    with pytest.raises(SettingsMismatchError, match="storage='binary', got 'int8'"):
        trivet.open(tmp_path / "index", storage="int8")


def test_a_storage_that_cannot_be_is_refused(tiny_embedder, tmp_path) -> None:
    with pytest.raises(
        InvalidInputError, match="one of full, int8, binary, pq, tiered, got '4bit'"
    ):
        trivet.open(tmp_path / "a", model=tiny_embedder, storage="4bit")
    with pytest.raises(InvalidInputError, match="in memory, where every vector"):
        trivet.open(":memory:", model=tiny_embedder, storage="int8")
    with pytest.raises(InvalidInputError, match="it is for dense vectors"):
        trivet.open(tmp_path / "b", model=tiny_embedder, modes=["sparse"], storage="int8")
    assert not Path(tmp_path / "a").exists()


def test_recall_is_measured_against_an_exact_search(tiny_embedder, tmp_path) -> None:
    with trivet.open(tmp_path / "index", model=tiny_embedder) as index:
        with pytest.raises(InvalidInputError, match="two chunks or more, got 0"):
            index.measure_recall()
        index.add(TEXTS, ids=IDS)
        exact = index.measure_recall(sample=20)
        assert (exact.recall, exact.sampled, exact.storage) == (1.0, 20, "full")
        query = index._store.query
        index._store.query = lambda requests: [
            answer[-1:] if position % 2 == 0 and len(requests) > 1 else answer
            for position, answer in enumerate(query(requests))
        ]
        worse = index.measure_recall(sample=20)
        # Of ten neighbours, the tenth alone.
        assert worse.recall == pytest.approx(0.1)
    with (
        trivet.open(tmp_path / "words", model=tiny_embedder, modes=["sparse"]) as index,
        pytest.raises(InvalidInputError, match="a dense leg, got one with sparse"),
    ):
        index.measure_recall()


@pytest.mark.parametrize(
    ("storage", "size"),
    [("full", 1536), ("int8", 388), ("tiered", 388), ("pq", 96), ("binary", 48)],
)
def test_bytes_of_a_vector_in_memory(storage, size) -> None:
    assert memory_bytes(storage, 384) == size


def test_a_server_is_told_how_to_keep_vectors() -> None:
    space = Space("dense", "given", 8, {"weights": "none"})
    kept = {name: vectors_config([space], name)[space.vector_name] for name in STORAGES}
    assert kept["full"].quantization_config is None
    assert kept["int8"].quantization_config.scalar.type == "int8"
    assert kept["tiered"].quantization_config.scalar.always_ram
    assert kept["binary"].quantization_config.binary.always_ram
    assert kept["pq"].quantization_config.product.compression == "x16"
    assert [name for name in STORAGES if kept[name].on_disk] == ["tiered"]


@pytest.mark.loopback
def test_an_index_on_a_server_keeps_its_storage(tiny_embedder) -> None:
    with StubServer() as server:
        with trivet.open(server.url, model=tiny_embedder, storage="int8") as index:
            index.add(TEXTS[:10], ids=IDS[:10])
            assert index.search(TEXTS[3], k=1)[0].id == "d3"
            report = index.measure_recall(k=3)
            assert (report.recall, report.storage) == (1.0, "int8")
        with pytest.raises(SettingsMismatchError, match="storage='int8', got 'full'"):
            trivet.open(server.url, storage="full")


def test_candidates_of_other_legs_are_scored_by_the_originals() -> None:
    legs = {
        "dense": LegQuery("dense", "d", np.ones(4, np.float32), storage="binary"),
        "multi": LegQuery("multi", "m", np.ones((2, 4), np.float32)),
    }
    plan = Plan({"dense": 10}, {"dense": 0.5, "multi": 0.5})
    request = PlannedQuery(plan, legs, 5, None).requests()[0]
    over = request.prefetch[0]
    assert over.params.quantization.ignore
    [own] = over.prefetch
    assert own.params.quantization.rescore
    assert own.params.quantization.oversampling > 1
    assert "params" not in request.prefetch[1].model_fields_set


def test_info_tells_the_recall(tiny_embedder, tmp_path, capsys) -> None:
    with trivet.open(tmp_path / "index", model=tiny_embedder, storage="binary") as index:
        index.add(TEXTS[:20], ids=IDS[:20])
    show_index(tmp_path / "index", recall=True, as_json=False)
    shown = capsys.readouterr().out
    assert "of the 10 nearest (of 20 stored vectors), storage binary: 4 of 128 bytes" in shown
    assert "20 of 20 chunks small" in shown
    show_index(tmp_path / "index", recall=True, as_json=True)
    assert json.loads(capsys.readouterr().out)["recall"]["sampled"] == 20


@pytest.mark.parametrize("storage", ["binary", "tiered"])
def test_small_vectors_stand_beside_token_vectors(tiny_embedder, tmp_path, storage) -> None:
    legs = ["dense", "sparse", "multi"]
    expected = cosines(tiny_embedder, "the lamp and the boat")
    with trivet.open(tmp_path / "i", model=tiny_embedder, modes=legs, storage=storage) as index:
        index.add(TEXTS, ids=IDS)
        hits = index.search("the lamp and the boat", k=10)
        for hit in hits:
            assert hit.scores["dense"] == pytest.approx(expected[hit.id], abs=1e-5)
        assert {mode for hit in hits for mode in hit.scores} == set(legs)
        report = index.measure_recall(sample=20)
        assert (report.storage, report.sampled) == (storage, 20)
        assert report.vector_bytes == memory_bytes(storage, 32)
        assert report.recall > 0.8


@pytest.mark.parametrize("storage", ["binary", "tiered"])
def test_vectors_of_an_upgrade_are_full_until_optimized(
    tiny_model, tiny_embedder, tmp_path, storage
) -> None:
    other = shutil.copytree(tiny_model, tmp_path / "other")
    weights = load_file(other / "model.safetensors")
    changed = {name: (1.01 * v).astype(v.dtype) for name, v in weights.items()}
    save_file(changed, other / "model.safetensors", metadata={"format": "pt"})
    options = {"modes": ["dense"], "storage": storage}
    with trivet.open(tmp_path / "index", model=tiny_embedder, **options) as index:
        index.add(TEXTS, ids=IDS)
        before = index.measure_recall(sample=20)
        upgrade = index.upgrade(other)
        for step in (upgrade.plan, upgrade.fit, upgrade.verify):
            step()
        upgrade.cutover("translate", force=True)
        upgrade.migrate()
        upgrade.finish()
        after = index.measure_recall(sample=20)
        assert index.optimize(force=True).optimized
        best = [(hit.id, hit.score) for hit in index.search(TEXTS[3], k=3)]
        optimized = index.measure_recall(sample=20)
    assert (before.storage, after.storage, optimized.storage) == (storage, "full", storage)
    assert (after.recall, after.small_chunks, after.vector_bytes) == (1.0, 0, after.full_bytes)
    assert optimized.vector_bytes == before.vector_bytes < after.vector_bytes
    assert optimized.small_chunks == before.small_chunks
    with trivet.open(tmp_path / "index") as again:
        assert again.measure_recall(sample=20).storage == storage
        assert [(hit.id, hit.score) for hit in again.search(TEXTS[3], k=3)] == best
        assert best[0][0] == "d3"
