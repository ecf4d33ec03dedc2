"""BGE-M3's three legs equal their formulas, and half a checkpoint is refused."""

from __future__ import annotations

import numpy as np
import pytest
from layouts import build_m3, change

from trivet.embedding import Embedder
from trivet.errors import CheckpointError, MissingHeadError, TextTooLongError

TEXTS = [
    "the anchor and the other anchor and the boat",
    "a",
    "wind and water " * 15,
    "木 is no known word, 木",
    "<mask> the </s> ship <pad> sails",
]
UNWEIGHED = {0, 1, 2, 3}  # <s>, <pad>, </s>, <unk>


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return build_m3(tmp_path_factory.mktemp("m3") / "m3")


@pytest.fixture(scope="module")
def embedder(folder):
    return Embedder.load(folder)


def by_hand(folder, ids):
    """The three formulas on one text alone."""
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder).eval()
    sparse, multi = (
        torch.load(folder / f"{name}_linear.pt", weights_only=True)
        for name in ("sparse", "colbert")
    )
    with torch.no_grad():
        states = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
        dense = states[0] / states[0].norm()
        weights = torch.relu(states @ sparse["weight"][0] + sparse["bias"][0])
        vectors = states[1:] @ multi["weight"].T + multi["bias"]
        vectors = vectors / vectors.norm(dim=1, keepdim=True)
    terms: dict[int, float] = {}
    for token, weight in zip(ids, weights.tolist(), strict=True):
        if token not in UNWEIGHED and weight > 0:
            terms[token] = max(terms.get(token, 0.0), weight)
    return dense.numpy(), terms, vectors.numpy()


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("role", ["documents", "queries"])
def test_the_three_legs_equal_their_formulas(folder, embedder, alone, role):
    embed = embedder.embed_documents if role == "documents" else embedder.embed_queries
    together = embed(TEXTS)
    for position, text in enumerate(TEXTS):
        made = embed([text])[0] if alone else together[position]
        dense, terms, vectors = by_hand(folder, embedder.tokenizer.encode(text).ids)
        np.testing.assert_allclose(made.dense.values[0], dense, atol=1e-5)
        np.testing.assert_allclose(made.multi.values[0], vectors, atol=1e-5)
        sparse = made.sparse.values[0]
        assert sparse.indices.tolist() == sorted(terms)
        np.testing.assert_allclose(sparse.values, [terms[i] for i in sorted(terms)], atol=1e-5)
        assert (sparse.indices.dtype, sparse.values.dtype) == (np.uint32, np.float32)
    assert len(together.sparse.values[0].indices) > 1


def test_legs_are_the_same_in_any_order(embedder):
    texts = [*TEXTS, *["ship and sail " * n for n in range(1, 15)]]
    there, back = embedder.embed_documents(texts), embedder.embed_documents(texts[::-1])
    for here, again in zip(there, reversed(list(back)), strict=True):
        np.testing.assert_allclose(here.dense.values, again.dense.values, atol=1e-6)
        np.testing.assert_allclose(here.multi.values[0], again.multi.values[0], atol=1e-6)
        ours, theirs = here.sparse.values[0], again.sparse.values[0]
        np.testing.assert_array_equal(ours.indices, theirs.indices)
        np.testing.assert_allclose(ours.values, theirs.values, atol=1e-6)


def test_modes_and_spaces_say_what_the_checkpoint_holds(embedder):
    assert embedder.modes == ("dense", "sparse", "multi")
    assert [space.dims for space in embedder.spaces.values()] == [32, None, 12]
    assert len(set(embedder.spaces.values())) == 3


def test_a_folder_without_modules_is_pooled_as_m3_is(folder, embedder, tmp_path):
    bare = Embedder.load(build_m3(tmp_path / "bare", modules=False))
    expected = embedder.embed_documents(TEXTS).dense.values
    np.testing.assert_allclose(bare.embed_documents(TEXTS).dense.values, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("mode", "name"), [("sparse", "sparse_linear.pt"), ("multi", "colbert_linear.pt")]
)
def test_each_head_is_part_of_its_own_space(embedder, tmp_path, mode, name):
    import torch

    other = build_m3(tmp_path / "other")
    state = torch.load(other / name, weights_only=True)
    torch.save({key: tensor * 1.01 for key, tensor in state.items()}, other / name)
    spaces = Embedder.load(other).spaces
    assert [key for key in spaces if spaces[key] != embedder.spaces[key]] == [mode]


@pytest.mark.parametrize("name", ["sparse_linear.pt", "colbert_linear.pt"])
@pytest.mark.parametrize("modes", [None, ["dense"]])
def test_one_head_without_the_other_is_refused_with_the_missing_one(tmp_path, name, modes):
    folder = build_m3(tmp_path / "m3")
    (folder / name).unlink()
    with pytest.raises(MissingHeadError, match=f"got none called {name}"):
        Embedder.load(folder, modes=modes)


def test_without_heads_it_is_a_dense_model_and_a_sparse_leg_is_refused(tmp_path):
    folder = build_m3(tmp_path / "m3", heads=False)
    assert Embedder.load(folder).modes == ("dense", "multi")
    with pytest.raises(MissingHeadError, match=r"sparse_linear\.pt"):
        Embedder.load(folder, modes=["sparse"])


def test_a_damaged_head_is_refused_at_once(tmp_path):
    folder = build_m3(tmp_path / "m3")
    (folder / "colbert_linear.pt").write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match=r"tensors in .*colbert_linear\.pt"):
        Embedder.load(folder)


def test_a_head_of_another_shape_is_refused_at_once(tmp_path):
    import torch

    folder = build_m3(tmp_path / "m3")
    torch.save({"weight": torch.ones(2, 32), "bias": torch.ones(2)}, folder / "sparse_linear.pt")
    with pytest.raises(CheckpointError, match=r"1 × 32 and bias in .*sparse_linear\.pt"):
        Embedder.load(folder)


def test_a_head_that_would_run_code_is_refused_unrun(tmp_path, capsys):
    import pickle

    class Harmful:
        def __reduce__(self):
            return (print, ("it ran",))

    folder = build_m3(tmp_path / "m3")
    (folder / "sparse_linear.pt").write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(CheckpointError, match=r"sparse_linear\.pt"):
        Embedder.load(folder)
    assert "it ran" not in capsys.readouterr().out


def test_the_window_of_a_bare_xlm_r_leaves_out_the_rows_of_padding(tmp_path):
    folder = build_m3(tmp_path / "m3", modules=False)
    change(folder / "tokenizer_config.json", model_max_length=None)
    embedder = Embedder.load(folder)
    assert embedder.max_tokens == 64  # of 66 positions
    embedder.embed_documents(["anchor " * 62])
    with pytest.raises(TextTooLongError):
        embedder.embed_documents(["anchor " * 63])
