"""Modules that we do not know run through sentence-transformers, and give what it gives."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from chains import CHAINS, build_chain
from layouts import change

import trivet
from trivet.embedding import Embedder
from trivet.errors import TextTooLongError

pytestmark = pytest.mark.usefixtures("code_cache")

TEXTS = [
    "a kedge is a light anchor",
    "Leeway is SIDEWAYS drift!",
    "what keeps a ship in place?",
    "anchor",
    "wind and water " * 15,
    "zebra quixotic xylophones (unknown words, in pieces) 1234567",
    "ship [SEP] boat",
]
NAMES = [*CHAINS, "layer-norm-prompts", "layer-norm-prompt-left-out-prompts", "routes-prompts"]
SHORT = trivet.Settings(chunk_tokens=32)
# What these make of a text depends on the padding behind it.
UNPADDED = ("cnn", "word-cnn")


def load(folder, **options):
    return Embedder.load(folder, trust_remote_code=folder.name == "custom", **options)


@pytest.fixture(scope="module")
def loaded(folder_of):
    """An embedder of a chain, loaded once."""
    return cache(lambda name: load(folder_of(name)))


def reference(folder):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(
        str(folder),
        device="cpu",
        local_files_only=True,
        trust_remote_code=folder.name == "custom",
    )


@pytest.mark.parametrize("name", NAMES)
def test_vectors_equal_those_of_sentence_transformers(folder_of, loaded, name):
    embedder, theirs = loaded(name), reference(folder_of(name))
    assert embedder.modes == ("dense",)
    size = 1 if name in UNPADDED else 32
    documents = embedder.embed_documents(TEXTS).dense.values
    expected = theirs.encode_document(TEXTS, batch_size=size)
    np.testing.assert_allclose(documents, expected, atol=1e-5)
    queries = embedder.embed_queries(TEXTS).dense.values
    np.testing.assert_allclose(queries, theirs.encode_query(TEXTS, batch_size=size), atol=1e-5)
    assert embedder.spaces["dense"].dims == expected.shape[1]
    assert np.ptp(documents, axis=0).max() > 0.05  # the texts are told apart
    differ = bool(np.abs(queries - documents).max() > 0.01)
    assert differ is (name.endswith("-prompts") or name == "routes")


@pytest.mark.parametrize("name", CHAINS)
def test_a_vector_depends_on_no_other_text_of_the_call(loaded, name):
    embedder = loaded(name)
    texts = [*TEXTS, *["ship and sail " * n for n in range(1, 9)]]
    for embed in (embedder.embed_documents, embedder.embed_queries):
        together = embed(texts).dense.values
        alone = np.concatenate([embed([text]).dense.values for text in texts])
        backwards = embed(texts[::-1]).dense.values[::-1]
        np.testing.assert_allclose(together, alone, atol=1e-5)
        np.testing.assert_allclose(together, backwards, atol=1e-5)


@pytest.mark.parametrize("name", CHAINS)
def test_texts_share_a_batch_where_padding_changes_nothing(loaded, name):
    assert loaded(name).weights.runner().pads is (name not in UNPADDED)


def states_by_hand(folder, ids):
    """The states of the embeddings and of each layer, of one text without padding."""
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        states = model(torch.tensor([ids]), output_hidden_states=True).hidden_states
    return [layer[0].numpy() for layer in states]


def stored(folder, name):
    from safetensors.numpy import load_file

    return load_file(next(folder.glob(f"*_{name}")) / "model.safetensors")


def layer_norm_by_hand(folder, ids):
    weights = stored(folder, "LayerNorm")
    mean = states_by_hand(folder, ids)[-1].mean(axis=0)
    scaled = (mean - mean.mean()) / np.sqrt(mean.var() + 1e-5)
    return scaled * weights["norm.weight"] + weights["norm.bias"]


def weighted_layers_by_hand(folder, ids):
    states = states_by_hand(folder, ids)
    weights = stored(folder, "WeightedLayerPooling")["layer_weights"]
    mixed = sum(w * layer for w, layer in zip(weights, states[1:], strict=True)) / weights.sum()
    return mixed.mean(axis=0)


def static_by_hand(folder, ids):
    from safetensors.numpy import load_file

    return load_file(folder / "model.safetensors")["embedding.weight"][ids].mean(axis=0)


def residual_by_hand(folder, ids):
    weights = stored(folder, "Dense")
    mean = states_by_hand(folder, ids)[-1].mean(axis=0)
    out = weights["linear.weight"] @ mean + weights["linear.bias"]
    return np.where(out > 0, out, np.expm1(out)) + mean


def custom_by_hand(folder, ids):
    return 3 * states_by_hand(folder, ids)[-1].mean(axis=0)[::-1]


BY_HAND = {
    "layer-norm": layer_norm_by_hand,
    "weighted-layers": weighted_layers_by_hand,
    "static": static_by_hand,
    "residual-dense": residual_by_hand,
    "custom": custom_by_hand,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_vectors_equal_a_computation_by_hand(folder_of, loaded, name):
    folder, embedder = folder_of(name), loaded(name)
    for text, row in zip(TEXTS, embedder.embed_documents(TEXTS).dense.values, strict=True):
        by_hand = BY_HAND[name](folder, embedder.tokenizer.encode(text).ids)
        np.testing.assert_allclose(row, by_hand, atol=1e-5)


def test_tokens_are_counted_as_the_modules_read_them(loaded):
    layer_norm, static = loaded("layer-norm"), loaded("static")
    assert layer_norm.count_tokens(["anchor", "kedge rope"]) == [3, 4]  # with [CLS] and [SEP]
    assert static.count_tokens(["anchor", "kedge rope"]) == [1, 2]
    assert loaded("lstm").count_tokens(["anchor", "kedge rope"]) == [1, 2]
    prompted = loaded("layer-norm-prompts")
    assert prompted.count_tokens(["anchor"]) == layer_norm.count_tokens(["a text anchor"])


def test_the_window_is_that_of_the_modules(folder_of, loaded):
    layer_norm, routes = loaded("layer-norm"), loaded("routes")
    long = "anchor " * 63
    assert layer_norm.max_tokens == routes.max_tokens == 64
    with pytest.raises(TextTooLongError, match="at most 64 tokens, got 65"):
        layer_norm.embed_documents([long])
    with pytest.raises(TextTooLongError, match="at most 64 tokens, got 65"):
        routes.embed_documents([long])
    theirs = reference(folder_of("layer-norm"))
    cut = layer_norm.embed_documents([long], truncate=True).dense.values
    np.testing.assert_allclose(cut, theirs.encode_document([long]), atol=1e-5)
    # A mean of static vectors has no window, on the query's side too.
    assert loaded("static").max_tokens == 1_000_000
    expected = reference(folder_of("routes")).encode_query([long])
    np.testing.assert_allclose(routes.embed_queries([long]).dense.values, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["layer-norm", "static", "lstm"])
def test_an_index_cuts_stores_and_finds(loaded, name):
    with trivet.open(":memory:", model=loaded(name), settings=SHORT) as index:
        texts = ["the anchor and the kedge " * 12, "leeway drift of a boat in the wind"]
        index.add([trivet.Document(text, id=str(n)) for n, text in enumerate(texts)])
        assert index.describe().chunks >= 3
        assert index.search("leeway drift of a boat in the wind", k=1)[0].id == "1"


def test_vectors_are_cut_before_they_are_scaled(folder_of, loaded):
    whole = loaded("t5").embed_documents(TEXTS).dense.values
    cut = load(folder_of("t5"), dims=7)
    made = cut.embed_documents(TEXTS).dense.values
    shortened = whole[:, :7] / np.linalg.norm(whole[:, :7], axis=1, keepdims=True)
    np.testing.assert_allclose(made, shortened, atol=1e-5)
    assert cut.spaces["dense"].dims == 7
    assert cut.spaces != loaded("t5").spaces


def test_a_cut_of_the_checkpoint_itself_is_obeyed(tmp_path):
    folder = build_chain(tmp_path / "m", "layer-norm")
    change(folder / "config_sentence_transformers.json", truncate_dim=9)
    made = Embedder.load(folder).embed_documents(TEXTS).dense.values
    np.testing.assert_allclose(made, reference(folder).encode_document(TEXTS), atol=1e-5)
    assert made.shape[1] == 9


@pytest.mark.parametrize("name", ["layer-norm", "weighted-layers", "static", "routes"])
def test_bfloat16_is_near_and_in_the_same_space(folder_of, loaded, name):
    exact, fast = loaded(name), load(folder_of(name), precision="bfloat16")
    assert exact.spaces == fast.spaces
    first, second = (e.embed_documents(TEXTS).dense.values for e in (exact, fast))
    cosines = (first * second).sum(axis=1)
    cosines /= np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    assert cosines.min() > 0.999
    assert second.dtype == np.float32
    assert np.array_equal(first, second) is (name == "static")  # it has no transformer


def test_loading_shows_nothing(folder_of, capfd):
    load(folder_of("layer-norm")).embed_documents(TEXTS)
    assert capfd.readouterr() == ("", "")
