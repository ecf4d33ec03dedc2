"""Vectors equal those of sentence-transformers, and those of a pooling written by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from checkpoints import Recipe, build_checkpoint

from trivet.embedding import Embedder

TEXTS = [
    "a kedge is a light anchor",
    "Leeway is SIDEWAYS drift!",
    "what keeps a ship in place?",
    "a",
    "wind and water " * 40,
    "zebra quixotic xylophones (unknown words, in pieces) 1234567",
    "naïve café – 木, ok",
    "x" * 150,
    "  spaces   around\tand\nbetween  ",
    "[SEP] the anchor [MASK] holds [CLS]",
]
VARIANTS = {
    "mean": {},
    "old-style": {"old_style": True},
    "old-style-two-modes": {"old_style": True, "pooling": ("cls", "mean")},
    "cls": {"pooling": ("cls",)},
    "max": {"pooling": ("max",)},
    "mean_sqrt": {"pooling": ("mean_sqrt_len_tokens",), "normalise": False},
    "weightedmean": {"pooling": ("weightedmean",)},
    "lasttoken": {"pooling": ("lasttoken",)},
    "three-modes": {"pooling": ("lasttoken", "cls", "max")},
    "no-normalise": {"normalise": False},
    "dense": {"dense": (24,)},
    "two-denses": {"dense": (24, 12), "activation": "Identity", "bias": False},
    "dense-gelu-no-normalise": {"dense": (40,), "activation": "GELU", "normalise": False},
    "pickled": {"dense": (24,), "pickled": True},
    "prompts": {"prompts": {"query": "question: ", "document": "text: "}},
    "prompts-left-out-of-the-mean": {"prompts": {"query": "q: "}, "include_prompt": False},
    "prompts-left-out-of-cls": {
        "prompts": {"query": "what is the question? ", "document": "the text "},
        "include_prompt": False,
        "pooling": ("cls", "weightedmean", "max", "lasttoken"),
    },
    "lower-case": {"lower_case": True, "cased": True},
    "cased": {"cased": True},
    "no-max-seq-length": {"max_tokens": None},
    "short-window": {"max_tokens": 7},
    "truncated-dims": {"truncate_dim": 10},
    "bare": {"bare": True},
}


def reference(folder):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


@pytest.fixture(scope="module")
def variant_folder(tmp_path_factory):
    """The checkpoint of a variant, built once."""
    parent = tmp_path_factory.mktemp("variants")

    def build(variant):
        folder = parent / variant
        return folder if folder.exists() else build_checkpoint(folder, Recipe(**VARIANTS[variant]))

    return build


@pytest.mark.parametrize("variant", VARIANTS)
def test_vectors_equal_those_of_sentence_transformers(variant_folder, variant):
    folder = variant_folder(variant)
    ours, theirs = Embedder.load(folder), reference(folder)
    documents = ours.embed_documents(TEXTS, truncate=True).dense.values
    queries = ours.embed_queries(TEXTS, truncate=True).dense.values
    expected_documents, expected_queries = (
        theirs.encode_document(TEXTS),
        theirs.encode_query(TEXTS),
    )
    np.testing.assert_allclose(documents, expected_documents, atol=1e-5)
    np.testing.assert_allclose(queries, expected_queries, atol=1e-5)
    assert ours.max_tokens == theirs.max_seq_length
    assert ours.spaces["dense"].dims == expected_documents.shape[1]
    assert np.ptp(expected_documents, axis=0).max() > 0.05  # the texts are told apart


def test_each_variant_changes_the_vectors(variant_folder, tiny_model):
    """So that no parity above holds because a switch was ignored by both."""
    plain = Embedder.load(tiny_model)
    words = ["Leeway is SIDEWAYS drift!", "wind and water " * 40]
    expected = plain.embed_queries(words, truncate=True).dense.values
    alike = {"mean", "old-style", "no-max-seq-length", "bare"}
    for variant in set(VARIANTS) - alike:
        ours = Embedder.load(variant_folder(variant))
        came = ours.embed_queries(words, truncate=True).dense.values
        same = came.shape == expected.shape and np.allclose(came, expected, atol=1e-4)
        # The tokenizer of the variant lower-cases in another place, with the same end.
        assert same is (variant == "lower-case"), variant


def test_a_checkpoint_that_sentence_transformers_saved_itself_is_read(tiny_model, tmp_path):
    theirs = reference(tiny_model)
    theirs.prompts = {"query": "question: ", "document": "text: "}
    theirs.save(str(tmp_path / "saved"), create_model_card=False)
    saved = json.loads((tmp_path / "saved" / "modules.json").read_text())
    assert saved[0]["type"] == "sentence_transformers.base.modules.transformer.Transformer"
    ours = Embedder.load(tmp_path / "saved")
    np.testing.assert_allclose(
        ours.embed_documents(TEXTS, truncate=True).dense.values,
        theirs.encode_document(TEXTS),
        atol=1e-5,
    )
    assert ours.max_tokens == theirs.max_seq_length


@pytest.mark.parametrize("name", ["passage", "corpus"])
def test_documents_take_the_prompt_of_their_side_under_its_other_names(checkpoint, name):
    folder = checkpoint(prompts={"query": "query: ", name: "passage: "})
    made = Embedder.load(folder).embed_documents(TEXTS[:3]).dense.values
    expected = reference(folder).encode(TEXTS[:3], prompt_name=name)
    np.testing.assert_allclose(made, expected, atol=1e-5)


def test_the_default_prompt_goes_where_a_role_has_none(checkpoint):
    folder = checkpoint(prompts={"retrieval": "find this: "}, default_prompt="retrieval")
    embedder, theirs = Embedder.load(folder), reference(folder)
    expected = theirs.encode(TEXTS[:3])
    for made in (embedder.embed_documents(TEXTS[:3]), embedder.embed_queries(TEXTS[:3])):
        np.testing.assert_allclose(made.dense.values, expected, atol=1e-5)


POOLED_BY_HAND = {
    "cls": lambda states: states[0],
    "max": lambda states: states.max(axis=0),
    "mean": lambda states: states.mean(axis=0),
    "mean_sqrt_len_tokens": lambda states: states.sum(axis=0) / np.sqrt(len(states)),
    "weightedmean": lambda states: np.average(states, axis=0, weights=range(1, len(states) + 1)),
    "lasttoken": lambda states: states[-1],
}


@pytest.mark.parametrize("pooling", POOLED_BY_HAND)
def test_vectors_equal_a_pooling_by_hand_over_unpadded_states(checkpoint, pooling):
    import torch
    from transformers import AutoModel

    folder = checkpoint(pooling=(pooling,), normalise=False)
    embedder = Embedder.load(folder)
    model = AutoModel.from_pretrained(folder).eval()
    texts = ["a kedge is a light anchor", "a", "wind and water " * 15]
    made = embedder.embed_documents(texts).dense.values
    for row, text in zip(made, texts, strict=True):
        ids = torch.tensor([embedder.tokenizer.encode(text).ids])
        with torch.no_grad():
            states = model(input_ids=ids).last_hidden_state[0].numpy()
        np.testing.assert_allclose(row, POOLED_BY_HAND[pooling](states), atol=1e-5)
