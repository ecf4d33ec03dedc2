"""An index upgraded to a model that reads fewer tokens than the chunks have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from checkpoints import WORDS, Recipe, build_checkpoint

import trivet

from .services import taken_to

LONG = " ".join(np.random.default_rng(3).choice(WORDS, size=100))


@pytest.fixture
def index(tiny_model: Path, texts: dict[str, str]) -> Iterator[trivet.Index]:
    """Of a model that reads 64 tokens, some of the documents being as long."""
    with trivet.open(":memory:", model=tiny_model, modes=["dense", "sparse"]) as index:
        some = {id: texts[id] for id in list(texts)[:40]}
        index.add([*some.values(), LONG], ids=[*some, "long"], on_error="raise")
        yield index


def test_long_documents_are_added_in_every_state_and_cut_to_what_the_newer_model_reads(
    index: trivet.Index, tmp_path: Path
) -> None:
    narrow = build_checkpoint(tmp_path / "narrow", Recipe(seed=1, max_tokens=16))
    upgrade = taken_to(index, narrow, "query")
    index.upsert([f"{LONG} bridged"], ids=["bridged"], on_error="raise")
    upgrade.migrate()
    index.upsert([f"{LONG} migrating"], ids=["migrating"], on_error="raise")
    upgrade.finish()
    index.upsert([f"{LONG} sea"], ids=["long"], on_error="raise")
    chunks = index._store.chunks(["bridged", "migrating", "long"])
    # 62 words a chunk by the older model; 14 at most by the newer one.
    assert len(chunks["bridged"]) == 2
    for id in ("migrating", "long"):
        assert max(len(chunk.text.split()) for chunk in chunks[id]) <= 14
        assert len(chunks[id]) >= 8
    assert index.get(["long"])[0].text == f"{LONG} sea"
    assert index.verify().is_clean
