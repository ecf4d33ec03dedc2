"""Several models as one embedder: the legs of each, made in as few passes as there are models."""

from __future__ import annotations

import shutil

import pytest
from layouts import build_m3, build_splade, build_stanford

from trivet import Embedder
from trivet.errors import (
    CheckpointError,
    InvalidInputError,
    MissingHeadError,
    ModelNotFoundError,
    UnknownModeError,
)

from .composing import MODES, TEXTS, assert_same, hosted


@pytest.fixture(scope="module")
def m3(tmp_path_factory):
    return build_m3(tmp_path_factory.mktemp("m3") / "m3")


@pytest.fixture(scope="module")
def splade(tmp_path_factory):
    return build_splade(tmp_path_factory.mktemp("splade") / "splade")


@pytest.fixture(scope="module")
def stanford(tmp_path_factory):
    return build_stanford(tmp_path_factory.mktemp("stanford") / "stanford")


@pytest.fixture
def work(monkeypatch):
    """Counts backbones that are loaded, and passes through them."""
    from trivet.embedding import runner
    from trivet.embedding.runner import Runner

    done = {"loads": 0, "passes": 0}
    load_fastest, forward = runner.load_fastest, Runner._forward

    def loading(*args):
        done["loads"] += 1
        return load_fastest(*args)

    def passing(*args, **options):
        done["passes"] += 1
        return forward(*args, **options)

    monkeypatch.setattr(runner, "load_fastest", loading)
    monkeypatch.setattr(Runner, "_forward", passing)
    return done


def test_each_leg_is_the_one_of_its_part_alone(tiny_model, splade, stanford):
    composed = Embedder.compose(dense=tiny_model, sparse=splade, multi=stanford)
    parts = {
        "dense": Embedder.load(tiny_model, modes=["dense"]),
        "sparse": Embedder.load(splade),
        "multi": Embedder.load(stanford),
    }
    assert composed.modes == MODES
    assert composed.spaces == {mode: part.spaces[mode] for mode, part in parts.items()}
    documents, queries = composed.embed_documents(TEXTS[:2]), composed.embed_queries(TEXTS[:2])
    for mode, part in parts.items():
        assert_same(part.embed_documents(TEXTS[:2]), documents, [mode])
        assert_same(part.embed_queries(TEXTS[:2]), queries, [mode])


@pytest.mark.parametrize("modes", [("dense", "sparse"), ("sparse", "multi"), MODES])
def test_legs_of_one_checkpoint_are_made_in_one_pass_over_weights_loaded_once(m3, work, modes):
    composed = Embedder.compose(**dict.fromkeys(modes, m3))
    assert not composed.is_loaded
    made = composed.embed_documents(TEXTS[:2])
    assert work == {"loads": 1, "passes": 1}
    assert composed.is_loaded
    assert_same(made, Embedder.load(m3).embed_documents(TEXTS[:2]), modes)


def test_the_same_weights_in_another_folder_are_the_same_checkpoint(m3, work, tmp_path):
    other = shutil.copytree(m3, tmp_path / "copy")
    composed = Embedder.compose(dense=m3, sparse=other, multi=Embedder.load(other))
    made = composed.embed_queries(TEXTS[:2])
    assert work == {"loads": 1, "passes": 1}
    assert_same(made, Embedder.load(m3).embed_queries(TEXTS[:2]), MODES)


def test_heads_are_those_of_their_own_parts(m3, work, tmp_path):
    """One backbone under heads of two trainings: the dense one cut, another for token vectors."""
    import torch

    other = shutil.copytree(m3, tmp_path / "copy")
    head = torch.load(other / "colbert_linear.pt", weights_only=True)
    torch.save({name: -2 * tensor for name, tensor in head.items()}, other / "colbert_linear.pt")
    dense = Embedder.load(m3, modes=["dense"], dims=8)
    composed = Embedder.compose(dense=dense, sparse=m3, multi=other)
    made = composed.embed_documents(TEXTS[:2])
    assert work == {"loads": 1, "passes": 1}
    assert composed.spaces["dense"].dims == 8
    assert composed.spaces["multi"] != Embedder.load(m3).spaces["multi"]
    assert_same(dense.embed_documents(TEXTS[:2]), made, ["dense"])
    assert_same(Embedder.load(m3, modes=["sparse"]).embed_documents(TEXTS[:2]), made, ["sparse"])
    assert_same(Embedder.load(other, modes=["multi"]).embed_documents(TEXTS[:2]), made, ["multi"])


@pytest.mark.parametrize(
    "options",
    [
        {"precision": "bfloat16"},
        {"layers": 1},
        {"prompts": {"document": "text: {text}"}},
        {"prompts": {"query": "query: {text}"}},
    ],
)
def test_a_checkpoint_that_is_loaded_otherwise_has_a_pass_of_its_own(m3, work, options):
    sparse = Embedder.load(m3, modes=["sparse"], **options)
    composed = Embedder.compose(dense=m3, sparse=sparse)
    queries, documents = composed.embed_queries(TEXTS[:2]), composed.embed_documents(TEXTS[:2])
    assert work == {"loads": 2, "passes": 4}
    assert_same(sparse.embed_queries(TEXTS[:2]), queries, ["sparse"])
    assert_same(sparse.embed_documents(TEXTS[:2]), documents, ["sparse"])


def test_other_weights_have_a_pass_of_their_own(tiny_model, tiny_model_other, work):
    composed = Embedder.compose(dense=tiny_model, multi=tiny_model_other)
    composed.embed_documents(TEXTS[:2])
    assert work == {"loads": 2, "passes": 2}


def test_a_backbone_that_is_loaded_is_taken_as_it_is(m3, work, tmp_path):
    other = shutil.copytree(m3, tmp_path / "copy")
    dense, sparse = Embedder.load(m3, modes=["dense"]), Embedder.load(other, modes=["sparse"])
    sparse.load_weights()
    composed = Embedder.compose(dense=dense, sparse=sparse)
    composed.load_weights()
    assert work["loads"] == 1
    assert composed.is_loaded
    assert not dense.is_loaded


def test_what_is_composed_can_be_composed_again_and_shares_its_weights(m3, splade, work):
    first = Embedder.compose(dense=m3, sparse=splade)
    second = Embedder.compose(dense=first, sparse=m3, multi=m3)
    made = second.embed_documents(TEXTS[:2])
    assert work == {"loads": 1, "passes": 1}
    assert_same(made, Embedder.load(m3).embed_documents(TEXTS[:2]), MODES)


def test_fewer_legs_share_the_weights_of_all(m3, splade, work):
    composed = Embedder.compose(dense=m3, sparse=splade, multi=m3)
    composed.load_weights()
    some = composed.only(["dense", "multi"])
    assert some.is_loaded
    assert some.modes == ("dense", "multi")
    made = some.embed_documents(TEXTS[:2])
    assert work == {"loads": 2, "passes": 1}
    assert_same(made, Embedder.load(m3).embed_documents(TEXTS[:2]), ["dense", "multi"])
    assert some.name == str(m3)
    with pytest.raises(MissingHeadError):
        some.only(["sparse"])


def test_a_wrapped_model_is_a_part_like_any_other(splade):
    composed = Embedder.compose(dense=hosted(), sparse=splade)
    made = composed.embed_documents(TEXTS[:2])
    assert_same(hosted().embed_documents(TEXTS[:2]), made, ["dense"])
    assert_same(Embedder.load(splade).embed_documents(TEXTS[:2]), made, ["sparse"])


def test_no_text_gives_no_row_of_any_leg(tiny_model, splade):
    made = Embedder.compose(dense=tiny_model, sparse=splade).embed_documents([])
    assert list(made.legs) == ["dense", "sparse"]
    assert len(made) == 0


def test_names_and_state_are_shown(tiny_model, splade):
    composed = Embedder.compose(dense=tiny_model, sparse=splade)
    assert composed.name == f"{tiny_model} + {splade}"
    assert repr(composed) == (f"Embedder({composed.name!r}, modes=['dense', 'sparse'], not loaded)")


def test_a_part_must_make_its_leg(tiny_model, splade):
    with pytest.raises(MissingHeadError, match="sparse head"):
        Embedder.compose(dense=tiny_model, sparse=tiny_model)
    with pytest.raises(MissingHeadError, match="makes dense vectors"):
        Embedder.compose(dense=Embedder.load(splade))
    with pytest.raises(MissingHeadError, match="makes multi vectors"):
        Embedder.compose(multi=Embedder.compose(dense=tiny_model))
    with pytest.raises(UnknownModeError, match="got none"):
        Embedder.compose()
    with pytest.raises(InvalidInputError, match="name or folder, got 3"):
        Embedder.compose(dense=3)
    with pytest.raises(ModelNotFoundError):
        Embedder.compose(dense=tiny_model / "nowhere")


def test_damaged_weights_of_a_part_are_refused_when_they_are_loaded(tiny_model, m3, tmp_path):
    damaged = shutil.copytree(m3, tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"no weights")
    composed = Embedder.compose(dense=tiny_model, sparse=damaged)
    with pytest.raises(CheckpointError, match="damaged"):
        composed.embed_documents(TEXTS[:1])
