"""A forced end of an index with three legs: what lacks token vectors is told, and gets them later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import trivet

from .stages import stored, verified

THREE = {"dense", "sparse", "multi"}


def legs_of(index: trivet.Index, query: str) -> set[str]:
    [hit] = index.search(query, k=1)
    return set(hit.scores)


@pytest.mark.parametrize("is_begun", [True, False])
def test_documents_without_token_vectors_rank_by_their_other_legs_until_they_are_native(
    is_begun: bool,
    open_old: Callable[..., trivet.Index],
    tiny_model: Path,
    drifted_model: Path,
    texts: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trivet.index.upgrade.migrating.BATCH", 16)
    small = {id: texts[id] for id in list(texts)[:60]}
    with open_old(model=tiny_model) as index:
        index.add(list(small.values()), ids=list(small), on_error="raise")
        upgrade = verified(index, drifted_model)
        upgrade.cutover("translate", force=True)
        native = upgrade.migrate("id", budget=1e-9) if not is_begun else 16
        if is_begun:
            with pytest.raises(KeyboardInterrupt):
                upgrade.migrate("id", progress=stop)
        upgrade.finish(force=True)
        assert index.describe().translated == 60 - native
        assert index.verify().is_clean
        index.upsert(["kedge anchor rope"], ids=["new"], on_error="raise")
        assert legs_of(index, "kedge anchor rope") == THREE
        for id, text in small.items():
            assert id in [hit.id for hit in index.search(text, k=60)]
    with open_old() as again:  # by the newer model, which is recorded
        left = again.describe().translated
        assert again.doctor().level == "note"
        assert again.make_native() == left == 60 - native
        assert (again.describe().translated, again.make_native()) == (0, 0)
        assert legs_of(again, small["d7"]) == THREE
        [name] = [s.vector_name for s in again.describe().spaces if s.mode == "multi"]
        assert len(stored(again, list(small), name)) == 60
        assert again._store.journal.kept(f"carried:{name}") is None
        assert again.verify().is_clean


def stop(_: int) -> None:
    raise KeyboardInterrupt
