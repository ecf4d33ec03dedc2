"""Learned sparse legs in an upgrade: refused a map with the reason, or the very same in both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from layouts import build_m3

import trivet
from trivet import Embedder, errors

from .stages import found, verified

MODES = ["dense", "sparse"]


def sparse_model(folder: Path, *, turned: bool = False, weight: float = 1.0) -> Path:
    """BGE-M3's learned sparse head; `turned`: with two words' numbers exchanged."""
    import torch

    build_m3(folder)
    if turned:
        file = folder / "tokenizer.json"
        tokenizer = json.loads(file.read_text())
        words = tokenizer["model"]["vocab"]
        words["anchor"], words["rope"] = words["rope"], words["anchor"]
        file.write_text(json.dumps(tokenizer))
    head = torch.load(folder / "sparse_linear.pt", weights_only=True)
    torch.save({**head, "weight": weight * head["weight"]}, folder / "sparse_linear.pt")
    return folder


@pytest.fixture
def sparse(tmp_path: Path) -> Path:
    return sparse_model(tmp_path / "sparse")


@pytest.fixture
def index(
    tiny_model: Path, sparse: Path, texts: dict[str, str], tmp_path: Path
) -> Iterator[trivet.Index]:
    model = Embedder.compose(dense=tiny_model, sparse=sparse)
    with trivet.open(tmp_path / "index", model=model, modes=MODES) as index:
        index.add(list(texts.values()), ids=list(texts), on_error="raise")
        yield index


def scores(index: trivet.Index, query: str) -> list[tuple[str, float]]:
    return [(hit.id, hit.score) for hit in index.search(query, k=5)]


@pytest.mark.parametrize(
    ("turned", "weight", "says"),
    [(True, 1.0, "one word here and for another there"), (False, 2.0, "follow no linear rule")],
)
def test_a_learned_sparse_leg_of_another_model_drops_out_until_it_is_made(
    turned: bool, weight: float, says: str, index: trivet.Index, drifted_model: Path,
    texts: dict[str, str], tmp_path: Path,
) -> None:  # fmt: skip
    other = sparse_model(tmp_path / "other", turned=turned, weight=weight)
    before = scores(index, texts["d7"])
    upgrade = index.upgrade(Embedder.compose(dense=drifted_model, sparse=other))
    reason = upgrade.plan().unmapped["sparse"]
    assert says in reason
    assert "leave the sparse leg out of the plan until it is embedded anew, or use BM25" in reason
    upgrade.fit()
    report = upgrade.verify()
    assert (report.legs["sparse"].verdict, report.legs["sparse"].reasons) == ("REFUSE", (reason,))
    upgrade.cutover("query", force=True)
    [hit] = index.search(texts["d7"], k=1)
    assert set(hit.scores) == {"dense"}
    assert index.search(texts["d7"], k=1, modes=["sparse"]) == []
    upgrade.cutover("translate", force=True)
    assert set(index.search(texts["d7"], k=1)[0].scores) == {"dense"}
    with pytest.raises(errors.UpgradeStateError, match="the others, or finish"):
        upgrade.finish()
    upgrade.migrate()
    assert set(index.search(texts["d7"], k=1)[0].scores) == {"dense", "sparse"}
    assert index.verify().is_clean
    upgrade.rollback()
    assert scores(index, texts["d7"]) == before


@pytest.mark.parametrize("end", ["rollback", "finish"])
def test_a_learned_sparse_leg_that_stays_the_same_serves_throughout(
    end: str, index: trivet.Index, sparse: Path, drifted_model: Path, texts: dict[str, str]
) -> None:
    before, both = scores(index, texts["d7"]), {"dense", "sparse"}
    plain = index.search(texts["d7"], k=5, modes=["sparse"])
    upgrade = verified(index, Embedder.compose(dense=drifted_model, sparse=sparse))
    assert upgrade.plan().unmapped == {}
    upgrade.fit()
    upgrade.verify()
    upgrade.cutover("query", force=True)
    assert set(index.search(texts["d7"], k=1)[0].scores) == both
    upgrade.cutover("translate", force=True)
    assert set(index.search(texts["d7"], k=1)[0].scores) == both
    index.add(["kedge anchor rope"], ids=["added"], on_error="raise")
    if end == "rollback":
        index.delete(["added"])
        upgrade.rollback()
        assert scores(index, texts["d7"]) == before
    else:
        upgrade.migrate()
        upgrade.finish()
        assert found(index, "kedge anchor rope", k=1) == ["added"]
    same = index.search(texts["d7"], k=5, modes=["sparse"])
    assert [hit.id for hit in same] == [hit.id for hit in plain]
    assert index.verify().is_clean
