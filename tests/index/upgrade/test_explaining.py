"""Scores of an index whose upgrade compensates, explained."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import trivet
from trivet import Settings

from .stages import bridged


@pytest.mark.parametrize("tokens", ["full", "compact"])
def test_mapped_queries_are_explained_with_and_without_the_older_model(
    tmp_path: Path, tiny_model: Path, drifted_model: Path, texts: dict[str, str], tokens: str
) -> None:
    older = tmp_path / "older"
    shutil.copytree(tiny_model, older)
    modes, settings, query = ["dense", "sparse", "multi"], Settings(tokens=tokens), texts["d7"]
    with trivet.open(tmp_path / "index", model=older, modes=modes, settings=settings) as index:
        index.add(list(texts.values()), ids=list(texts), on_error="raise")
        bridged(index, drifted_model)
        for plan in ("hybrid3", "dbsf"):
            for hit in index.search(query, k=3, plan=plan):
                why = index.explain(query, hit.id, k=3, plan=plan)
                assert {leg.mode for leg in why.legs} == set(hit.scores)
                parts = sum(leg.contribution for leg in why.legs)
                assert parts == pytest.approx(hit.score, abs=1e-4)
                pairs = why.leg("multi")
                mean = sum(pair.cosine for pair in pairs.tokens) / len(pairs.tokens)
                assert mean == pytest.approx(pairs.score, abs=1e-3)
    shutil.rmtree(older)
    with trivet.open(tmp_path / "index") as index:
        [hit] = index.search(query, k=1)
        why = index.explain(query, hit.id)
        assert sum(leg.contribution for leg in why.legs) == pytest.approx(hit.score, abs=1e-4)
        assert why.leg("multi").tokens == ()
