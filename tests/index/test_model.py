"""The model of an index: kept with all that loads it alike, known again by what it makes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import trivet
from trivet.embedding.profile import Profile
from trivet.embedding.prompts import Task, Template
from trivet.errors import SpaceMismatchError

DOCUMENTS = [
    trivet.Document("a kedge is a light anchor", id="kedge", title="anchors"),
    trivet.Document("bread and milk are food", id="bread", title="food"),
]


def scores(hits: list[trivet.Hit]) -> dict[str, float]:
    return {hit.id: hit.scores["dense"] for hit in hits}


@pytest.mark.parametrize(
    "options",
    [
        {"layers": 1, "dims": 16},
        {"prompts": {"query": "wind and sea: {text}"}},
        {"prompts": {"query": "query: {text}", "document": "page: {text}"}},
        {"profile": "llm-embedder", "task": "tool"},
    ],
)
@pytest.mark.parametrize("by_folder", [True, False])
def test_an_index_keeps_how_its_model_was_loaded(
    options: dict[str, object], by_folder: bool, tiny_model: Path, tmp_path: Path
) -> None:
    embedder = trivet.Embedder.load(tiny_model, **options)
    with trivet.open(tmp_path / "index", model=embedder, modes=["dense"]) as index:
        index.add(DOCUMENTS)
        before = scores(index.search("anchor"))
    by_hand = embedder.embed_queries(["anchor"]).dense.values[0]
    plain = trivet.Embedder.load(tiny_model).embed_queries(["anchor"]).dense.values[0]
    assert len(by_hand) != len(plain) or np.abs(by_hand - plain).max() > 0.01
    model = None if by_folder else tiny_model
    with trivet.open(tmp_path / "index", model=model) as index:
        assert scores(index.search("anchor")) == pytest.approx(before, abs=1e-6)


def test_a_profile_of_the_users_own_is_kept_whole(tiny_model: Path, tmp_path: Path) -> None:
    task = {"query": "find {text}", "document": "page {text}"}
    file = tmp_path / "own.json"
    file.write_text(json.dumps({"family": "own", "tasks": {"search": task}}))
    embedder = trivet.Embedder.load(tiny_model, profile=file)
    with trivet.open(tmp_path / "index", model=embedder) as index:
        index.add(DOCUMENTS)
        before = scores(index.search("anchor"))
    file.unlink()
    with trivet.open(tmp_path / "index") as index:
        assert scores(index.search("anchor")) == pytest.approx(before, abs=1e-6)


def test_a_profile_made_in_code_is_kept_whole(tiny_model: Path, tmp_path: Path) -> None:
    task = Task(Template("find "), Template("page ", " end"))
    embedder = trivet.Embedder.load(tiny_model, profile=Profile("own", tasks={"search": task}))
    with trivet.open(tmp_path / "index", model=embedder) as index:
        index.add(DOCUMENTS)
        before = scores(index.search("anchor"))
    with trivet.open(tmp_path / "index") as index:
        assert scores(index.search("anchor")) == pytest.approx(before, abs=1e-6)


def test_a_title_goes_to_the_models_own_place_for_it(tiny_model: Path) -> None:
    prompts = {"document": "title {title} text {text}"}
    embedder = trivet.Embedder.load(tiny_model, prompts=prompts)
    with trivet.open(":memory:", model=embedder, modes=["dense"]) as index:
        index.add(DOCUMENTS)
        found = scores(index.search("anchor"))
    plain = trivet.Embedder.load(tiny_model)
    written = [f"title {d.title} text {d.text}" for d in DOCUMENTS]
    expected = (
        plain.embed_documents(written).dense.values
        @ (plain.embed_queries(["anchor"]).dense.values[0])
    )
    assert found == pytest.approx(dict(zip(["kedge", "bread"], expected, strict=True)), abs=1e-5)


def test_a_long_document_of_a_model_with_a_place_for_titles_is_cut_to_fit(
    tiny_model: Path,
) -> None:
    prompts = {"document": "title {title} text {text}"}
    embedder = trivet.Embedder.load(tiny_model, prompts=prompts)
    text = "the boat holds the anchor in the storm. " * 20
    with trivet.open(":memory:", model=embedder) as index:
        report = index.add([trivet.Document(text, id="a", title="boats and anchors")])
        pieces = index.search("anchor", k=100, chunks=True)
        assert report.chunks == len(pieces) > 1
        assert "".join(hit.text for hit in sorted(pieces, key=lambda hit: hit.span)) == text
    for hit in pieces:
        [count] = embedder.count_tokens([hit.text], titles=["boats and anchors"])
        assert count <= embedder.max_tokens


def with_weights_of(other: trivet.Embedder) -> Callable[[trivet.Embedder], trivet.Embedder]:
    """A model that says to be one and is another, as a hosted one is that was trained on."""
    return lambda embedder: replace(embedder, weights=other.weights)


def test_other_weights_under_the_same_name_are_refused(
    tiny_model: Path, tiny_model_other: Path, tmp_path: Path
) -> None:
    embedder = trivet.Embedder.load(tiny_model)
    changed = with_weights_of(trivet.Embedder.load(tiny_model_other))(embedder)
    assert changed.spaces == embedder.spaces
    with trivet.open(tmp_path / "index", model=embedder) as index:
        index.add(DOCUMENTS)
    with trivet.open(tmp_path / "index", model=changed) as index:
        assert index.count() == 2
        with pytest.raises(SpaceMismatchError, match="makes others: a test text has cosine"):
            index.search("anchor")
        with pytest.raises(SpaceMismatchError, match="makes others"):
            index.add(["another anchor"])
        assert index.search("anchor", modes=["sparse"])[0].id == "kedge"
        assert index.count() == 2


def test_bfloat16_against_float32_is_no_other_model(tiny_model: Path, tmp_path: Path) -> None:
    with trivet.open(tmp_path / "index", model=tiny_model) as index:
        index.add(DOCUMENTS)
        exact = scores(index.search("anchor"))
    rough = trivet.Embedder.load(tiny_model, precision="bfloat16")
    with trivet.open(tmp_path / "index", model=rough) as index:
        assert scores(index.search("anchor")) == pytest.approx(exact, abs=0.02)


def test_canaries_are_left_by_the_first_vectors_only(tiny_model: Path, tmp_path: Path) -> None:
    with trivet.open(tmp_path / "index", model=tiny_model) as index:
        journal = index._store.journal
        assert journal.kept("canaries") is None
        index.add(DOCUMENTS)
        first = journal.kept("canaries")
        assert list(json.loads(first)) == ["dense", "multi"]
        index.add(["another anchor"])
    with trivet.open(tmp_path / "index") as index:
        index.search("anchor")
        assert index._store.journal.kept("canaries") == first
