"""Learned sparse legs equal their formula, and sentence-transformers' own result."""

from __future__ import annotations

import json

import numpy as np
import pytest
from layouts import build_document_only, build_splade, change

from trivet.embedding import Embedder
from trivet.errors import CheckpointError, MissingHeadError

TEXTS = ["a kedge is a light anchor", "a", "wind and water " * 15, "what keeps a ship in place?"]
VARIANTS = {
    "max": {},
    "sum": {"pooling": "sum"},
    "log1p_relu": {"activation": "log1p_relu"},
    "sum-log1p_relu": {"pooling": "sum", "activation": "log1p_relu"},
    "max-active": {"max_active": 7},
}


@pytest.fixture(scope="module")
def variant_folder(tmp_path_factory):
    parent = tmp_path_factory.mktemp("splade")

    def build(name):
        folder = parent / name
        return folder if folder.exists() else build_splade(folder, **VARIANTS[name])

    return build


def laid_out(leg, vocabulary):
    rows = np.zeros((len(leg), vocabulary), dtype=np.float32)
    for row, vector in zip(rows, leg.values, strict=True):
        assert (np.diff(vector.indices.astype(int)) > 0).all()
        assert (vector.values > 0).all()
        assert (vector.indices.dtype, vector.values.dtype) == (np.uint32, np.float32)
        row[vector.indices] = vector.values
    return rows


def reference(folder):
    from sentence_transformers import SparseEncoder

    return SparseEncoder(str(folder), device="cpu", local_files_only=True)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_leg_equals_that_of_sentence_transformers(variant_folder, variant):
    folder = variant_folder(variant)
    embedder, theirs = Embedder.load(folder), reference(folder)
    assert embedder.modes == ("sparse",)
    expected = theirs.encode_document(TEXTS, convert_to_sparse_tensor=False).numpy()
    made = embedder.embed_documents(TEXTS)
    assert list(made.legs) == ["sparse"]
    np.testing.assert_allclose(laid_out(made.sparse, expected.shape[1]), expected, atol=1e-5)
    asked = embedder.embed_queries(TEXTS).sparse
    np.testing.assert_allclose(laid_out(asked, expected.shape[1]), expected, atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_leg_equals_its_formula_on_each_text_alone(variant_folder, variant):
    import torch
    from transformers import AutoModelForMaskedLM

    folder, recipe = variant_folder(variant), VARIANTS[variant]
    embedder = Embedder.load(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()
    for text, made in zip(TEXTS, embedder.embed_documents(TEXTS).sparse.values, strict=True):
        with torch.no_grad():
            ids = torch.tensor([embedder.tokenizer.encode(text).ids])
            logits = model(input_ids=ids).logits[0].numpy()
        weights = np.log1p(np.maximum(logits, 0))
        if recipe.get("activation") == "log1p_relu":
            weights = np.log1p(weights)
        pooled = weights.sum(axis=0) if recipe.get("pooling") == "sum" else weights.max(axis=0)
        terms = np.flatnonzero(pooled > 0)
        if "max_active" in recipe:
            terms = np.sort(np.argsort(-pooled)[: recipe["max_active"]])
        np.testing.assert_array_equal(made.indices, terms)
        np.testing.assert_allclose(made.values, pooled[terms], atol=1e-5)


def test_the_leg_depends_on_no_other_text_of_the_call(variant_folder, monkeypatch):
    from trivet.embedding import runner

    embedder = Embedder.load(variant_folder("max"))
    texts = [*TEXTS, *["ship and sail " * n for n in range(1, 15)]]
    expected = laid_out(embedder.embed_documents(texts).sparse, 500)
    monkeypatch.setattr(runner, "_LOGITS_BUDGET", 1)  # every text a batch of its own
    made = laid_out(embedder.embed_documents(texts[::-1]).sparse, 500)[::-1]
    np.testing.assert_allclose(made, expected, atol=1e-5)


def test_queries_of_a_document_only_model_need_no_model(tmp_path):
    folder = build_document_only(tmp_path / "router")
    embedder, theirs = Embedder.load(folder), reference(folder)
    texts = [*TEXTS, "the anchor the anchor", "木"]
    expected = theirs.encode_query(texts, convert_to_sparse_tensor=False).numpy()
    asked = embedder.embed_queries(texts).sparse
    np.testing.assert_allclose(laid_out(asked, expected.shape[1]), expected, atol=1e-6)
    assert not embedder.is_loaded
    expected = theirs.encode_document(TEXTS, convert_to_sparse_tensor=False).numpy()
    made = embedder.embed_documents(TEXTS).sparse
    np.testing.assert_allclose(laid_out(made, expected.shape[1]), expected, atol=1e-5)


@pytest.mark.parametrize(
    "values",
    [{"pooling_strategy": "mean"}, {"activation_function": "gelu"}],
    ids=lambda v: next(iter(v)),
)
def test_a_pooling_that_we_would_not_obey_is_refused(tmp_path, values):
    folder = build_splade(tmp_path / "splade")
    change(folder / "1_SpladePooling" / "config.json", **values)
    with pytest.raises(CheckpointError, match=next(iter(values))):
        Embedder.load(folder)


def test_a_router_of_other_routes_is_refused(tmp_path):
    folder = build_document_only(tmp_path / "router")
    file = folder / "router_config.json"
    stored = json.loads(file.read_text())
    stored["structure"]["image"] = []
    file.write_text(json.dumps(stored))
    with pytest.raises(CheckpointError, match="routes"):
        Embedder.load(folder)


def test_a_missing_table_of_query_weights_is_refused(tmp_path):
    folder = build_document_only(tmp_path / "router")
    (next(folder.glob("query_0_*")) / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        Embedder.load(folder)


def test_a_sparse_model_has_no_dense_leg(variant_folder):
    with pytest.raises(MissingHeadError, match="with a dense head"):
        Embedder.load(variant_folder("max"), modes=["dense", "sparse"])


def test_variants_are_spaces_of_their_own(variant_folder):
    spaces = {Embedder.load(variant_folder(name)).spaces["sparse"] for name in VARIANTS}
    assert len(spaces) == len(VARIANTS)


def test_a_profile_gives_a_sparse_model_no_dense_leg(variant_folder):
    assert Embedder.load(variant_folder("max"), profile="bge-en").modes == ("sparse",)


@pytest.mark.parametrize("rows", [5, 0])
def test_a_table_with_a_weight_for_few_tokens_only_is_refused(tmp_path, rows):
    import torch
    from safetensors.torch import save_file

    folder = build_document_only(tmp_path / "router")
    file = next(folder.glob("query_0_*")) / "model.safetensors"
    save_file({"weight": torch.ones(rows)}, file)
    with pytest.raises(CheckpointError, match="one weight for each entry of the vocabulary"):
        Embedder.load(folder).embed_queries(TEXTS)
