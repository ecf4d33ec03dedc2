"""What the maps of an upgrade are fitted to."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from checkpoints import WORDS

import trivet

from .services import Embed, of_words, service, texts_of


def test_keep_pairs_spans_by_both_models_and_gain_documents_alone(
    tiny_model: Path, drifted_model: Path, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, size=30)) for _ in range(60)]
    with trivet.open(str(tmp_path / "index"), model=tiny_model) as index:
        index.add(texts, on_error="raise")
        upgrade = index.upgrade(drifted_model)
        upgrade.plan()
        # A fifth of the documents is held out, with the spans of these.
        keep = upgrade.fit("keep").drift.provenance
        assert keep.sources == {"document": 48, "span": 48}
        assert keep.documents == 48
        gain = upgrade.fit("gain", queries=["what keeps a ship in place?"]).drift.provenance
        assert gain.sources.get("span", 0) == 0


@pytest.fixture
def doubled() -> Iterator[trivet.Index]:
    """Every text is there twice, and no two calls of the models agree to the last bit."""
    calls = count(1)

    def shaken(embed: Embed) -> Embed:
        return lambda texts: embed(texts) + np.float32(1e-7 * next(calls))

    old, new = service("old", shaken(of_words(0))), service("new", shaken(of_words(1)))
    texts = texts_of(80)
    with trivet.open(":memory:", model=old, modes=["dense"]) as index:
        for copy in "ab":
            ids = [f"{id}{copy}" for id in texts]
            index.add(list(texts.values()), ids=ids, on_error="raise")
        index.upgrade(new).plan()
        yield index


def test_no_text_is_both_fitted_to_and_held_out(doubled: trivet.Index) -> None:
    upgrade = doubled.current_upgrade
    assert upgrade is not None
    choice = upgrade.fit("keep")
    assert choice.drift.provenance.documents == 64  # of the 80 texts, not of the 160 documents
    assert len(choice.held) == 16
    assert {id[:-1] + "ba"[id[-1] == "b"] for id in choice.held}.isdisjoint(choice.held)
    assert upgrade.verify().known_item.reembedded.n == 16


def test_queries_of_the_caller_leave_the_documents_to_measure_on(doubled: trivet.Index) -> None:
    upgrade = doubled.current_upgrade
    assert upgrade is not None
    held = upgrade.fit("keep", queries=["anchor ship", "sail wind", "storm", "rope", "sea"]).held
    documents = [id for id in held if not id.startswith("query")]
    assert len(held) == 17
    assert upgrade.verify().known_item.reembedded.n == len(documents)
