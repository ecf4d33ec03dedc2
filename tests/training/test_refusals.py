"""What cannot be trained is refused with the reason, and nothing is written."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from layouts import build_m3

from trivet import Embedder
from trivet.errors import (
    InvalidInputError,
    MissingExtraError,
    TrainingError,
    TrainingPairsError,
    UntrainableModelError,
)
from trivet.training import TrainingPair, fine_tune


def hosted(_):
    return Embedder.wrap(
        name="vendor/model", dims=4, documents=lambda texts: [np.ones(4)] * len(texts)
    )


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (hosted, "hosted elsewhere or composed"),
        (lambda tiny: Embedder.compose(dense=tiny), "hosted elsewhere or composed"),
        (lambda tiny: Embedder.load(tiny, layers=1), "loaded with layers"),
        (lambda tiny: Embedder.load(tiny, dims=16), "loaded with dims"),
        (lambda tiny: Embedder.load(tiny, prompts={"query": "{text} ?"}), "behind it"),
    ],
)
def test_models_that_no_checkpoint_can_be_trained_of(
    model, message, tiny_model, make_pairs, tmp_path, quick
):
    with pytest.raises(UntrainableModelError, match=message):
        fine_tune(model(tiny_model), make_pairs(), tmp_path / "new", settings=quick)
    assert list(tmp_path.iterdir()) == []


def test_the_heads_of_bge_m3_would_be_lost(make_pairs, tmp_path, quick):
    model = build_m3(tmp_path / "m3")
    with pytest.raises(UntrainableModelError, match="head for sparse vectors"):
        fine_tune(model, make_pairs(), tmp_path / "new", settings=quick)
    assert not (tmp_path / "new").exists()


def test_a_loss_that_is_no_number_writes_nothing(tiny_model, make_pairs, tmp_path, quick):
    settings = replace(quick, temperature=1e-310)
    with pytest.raises(TrainingError, match=r"got (nan|inf) in step 1"):
        fine_tune(tiny_model, make_pairs(), tmp_path / "new", settings=settings)
    assert list(tmp_path.iterdir()) == []


def test_too_few_pairs_for_a_batch(tiny_model, make_pairs, tmp_path, quick):
    settings = replace(quick, batch_size=64)
    with pytest.raises(TrainingPairsError, match=r"at least 64 pairs .* got 63"):
        fine_tune(tiny_model, make_pairs(90), tmp_path / "new", settings=settings)
    one = [TrainingPair(str(i), "one document for all") for i in range(90)]
    with pytest.raises(TrainingPairsError, match=r"at least 20 pairs .* got"):
        fine_tune(tiny_model, one, tmp_path / "new", settings=quick)
    with pytest.raises(TrainingPairsError, match="got none"):
        fine_tune(tiny_model, [], tmp_path / "new", settings=quick)


def test_a_folder_with_something_in_it_is_left_alone(tiny_model, make_pairs, tmp_path, quick):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("full", "file"):
        with pytest.raises(InvalidInputError, match="not there yet, or is empty"):
            fine_tune(tiny_model, make_pairs(), tmp_path / name, settings=quick)
    assert (tmp_path / "full" / "note.txt").read_text() == "mine"


def test_the_extra_is_named_where_it_is_missing(
    tiny_model, make_pairs, tmp_path, monkeypatch, quick
):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "accelerate" else found(name)
    )
    with pytest.raises(MissingExtraError, match=r"'accelerate'.*trivet\[train\]"):
        fine_tune(tiny_model, make_pairs(), tmp_path / "new", settings=quick)
