"""Two cuts of one model are told apart, whatever says which model an upgrade is to."""

from __future__ import annotations

from pathlib import Path

import pytest

import trivet
from trivet import Embedder, errors

from .services import texts_of


def test_an_upgrade_between_cuts_of_one_model_says_to_which(tiny_model: Path) -> None:
    whole = f"{tiny_model}"
    lower = Embedder.load(tiny_model, modes=["dense"], layers=1)
    shorter = Embedder.load(tiny_model, modes=["dense"], dims=16)
    both = Embedder.load(tiny_model, modes=["dense"], dims=16, layers=1)
    texts = list(texts_of(60).values())
    with trivet.open(":memory:", model=shorter) as index:
        index.add(texts, on_error="raise")
        upgrade = index.upgrade(lower)
        upgrade.plan()
        name = f"{whole} (layers=1)"
        assert upgrade.status().model == name
        assert repr(index.current_upgrade) == f"Upgrade({name!r})"
        with pytest.raises(errors.UpgradeInProgressError) as caught:
            index.upgrade(both)
        assert f"got one to {name!r}" in str(caught.value)
        upgrade.fit("keep")
        models = upgrade.verify().models
        assert [label.partition(" (")[2] for label in models] == ["dims=16)", "layers=1)"]
        upgrade.rollback()
        theirs = index.upgrade(both)
        theirs.plan()
        with pytest.raises(errors.UpgradeInProgressError) as caught:
            upgrade.fit()
        assert f"the upgrade to {name!r} under way" in str(caught.value)
        assert f"got one to {f'{whole} (dims=16, layers=1)'!r}" in str(caught.value)


def test_a_model_that_is_not_cut_has_its_plain_name(tiny_model: Path, drifted_model: Path) -> None:
    with trivet.open(":memory:", model=tiny_model, modes=["dense"]) as index:
        index.add(list(texts_of(20).values()), on_error="raise")
        upgrade = index.upgrade(drifted_model)
        upgrade.plan()
        assert upgrade.status().model == str(drifted_model)
