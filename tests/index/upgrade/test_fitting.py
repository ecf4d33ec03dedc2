"""What the maps of an upgrade are fitted to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from checkpoints import WORDS

import trivet


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
