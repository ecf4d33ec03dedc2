"""Late-interaction checkpoints give what their own libraries would, in each of three layouts."""

from __future__ import annotations

import string

import numpy as np
import pytest
from layouts import MARKERS, build_native, build_pylate, build_stanford, change

from trivet.embedding import Embedder
from trivet.errors import CheckpointError, MissingHeadError, TextTooLongError

DOCUMENTS = ["a kedge is a light anchor.", "leeway, is it?", "a", "wind and water! " * 8]
QUERIES = ["what keeps a ship in place?", "a", "leeway, drift!", "[MASK] the ship"]
BUILDERS = {
    "stanford": lambda folder: build_stanford(folder),
    "stanford-attend": lambda folder: build_stanford(folder, attend_to_mask_tokens=True),
    "stanford-punctuation": lambda folder: build_stanford(folder, mask_punctuation=False),
    "pylate": lambda folder: build_pylate(folder),
    "pylate-attend": lambda folder: build_pylate(folder, attend_to_expansion_tokens=True),
    "pylate-no-expansion": lambda folder: build_pylate(folder, do_query_expansion=False),
    "pylate-prompts": lambda folder: build_pylate(folder, prompts={"query": "[Q] find "}),
    "native": lambda folder: build_native(folder),
    "native-min": lambda folder: build_native(folder, strategy="min", length=8),
    "native-attend": lambda folder: build_native(folder, attend=True, token="[UNK]"),
}


# Whose queries give several numbers of vectors: not filled up, filled up to less, or less marks.
VARYING = ("pylate-no-expansion", "native-min", "native", "native-attend")


@pytest.fixture(scope="module")
def variant_folder(tmp_path_factory):
    parent = tmp_path_factory.mktemp("colbert")

    def build(name):
        folder = parent / name
        return folder if folder.exists() else BUILDERS[name](folder)

    return build


def reference(folder):
    from sentence_transformers import MultiVectorEncoder

    return MultiVectorEncoder(str(folder), device="cpu", local_files_only=True)


def assert_equal(made, expected):
    assert len(made) == len(expected)
    for rows, theirs in zip(made.values, expected, strict=True):
        np.testing.assert_allclose(rows, np.asarray(theirs), atol=1e-5)


@pytest.mark.parametrize("variant", BUILDERS)
@pytest.mark.filterwarnings("ignore")
def test_token_vectors_equal_those_of_sentence_transformers(variant_folder, variant):
    folder = variant_folder(variant)
    embedder, theirs = Embedder.load(folder), reference(folder)
    assert embedder.modes == ("multi",)
    assert embedder.spaces["multi"].dims == 12
    assert_equal(embedder.embed_documents(DOCUMENTS).multi, theirs.encode_document(DOCUMENTS))
    assert_equal(embedder.embed_queries(QUERIES).multi, theirs.encode_query(QUERIES))


@pytest.mark.parametrize("variant", BUILDERS)
def test_a_query_is_expanded_alike_whatever_its_mates(variant_folder, variant):
    """The filling of one must not show in another, be they longer, shorter or fewer."""
    embedder = Embedder.load(variant_folder(variant))
    mates = ["ship", "wind and water", "what is a kedge anchor?", "the sea the sea the sea the sea"]
    queries = [*QUERIES, *mates, "anchor " * 13]
    together = embedder.embed_queries(queries, truncate=True).multi.values
    backwards = embedder.embed_queries(queries[::-1], truncate=True).multi.values[::-1]
    lengths = set()
    for query, rows, again in zip(queries, together, backwards, strict=True):
        (alone,) = embedder.embed_queries([query], truncate=True).multi.values
        np.testing.assert_allclose(rows, alone, atol=1e-6)
        np.testing.assert_allclose(again, alone, atol=1e-6)
        lengths.add(len(alone))
    assert (len(lengths) > 1) is (variant in VARYING)
    assert len({rows.tobytes() for rows in together}) == len(queries)


def by_hand(folder, text, role, attend):
    """Stanford's computation on one text alone."""
    import torch
    from safetensors.torch import load_file
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertModel

    weights = load_file(folder / "model.safetensors")
    projection = weights.pop("linear.weight")
    model = BertModel(BertConfig.from_pretrained(folder)).eval()
    model.load_state_dict({name.removeprefix("bert."): weights[name] for name in weights})
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    ids = tokenizer.encode(text).ids
    ids.insert(1, tokenizer.token_to_id(MARKERS[role == "document"]))
    seen = len(ids)
    if role == "query":
        ids += [tokenizer.token_to_id("[MASK]")] * (16 - seen)
    mask = torch.tensor([[1] * seen + [int(attend)] * (len(ids) - seen)])
    with torch.no_grad():
        states = model(torch.tensor([ids]), attention_mask=mask).last_hidden_state[0]
        vectors = states @ projection.T
        vectors = (vectors / vectors.norm(dim=1, keepdim=True)).numpy()
    if role == "query":
        return vectors
    skipped = {tokenizer.token_to_id(mark) for mark in string.punctuation}
    return vectors[[token not in skipped for token in ids]]


@pytest.mark.parametrize("attend", [False, True])
def test_several_expanded_queries_equal_the_computation_of_each_by_hand(variant_folder, attend):
    folder = variant_folder("stanford-attend" if attend else "stanford")
    queries = [*QUERIES, "anchor " * 13, "what is a kedge"]
    made = Embedder.load(folder).embed_queries(queries).multi
    assert_equal(made, [by_hand(folder, text, "query", attend) for text in queries])


@pytest.mark.parametrize("attend", [False, True])
def test_stanfords_layout_equals_its_computation_by_hand(variant_folder, attend):
    folder = variant_folder("stanford-attend" if attend else "stanford")
    embedder = Embedder.load(folder)
    expected = [by_hand(folder, text, "document", attend) for text in DOCUMENTS]
    assert_equal(embedder.embed_documents(DOCUMENTS).multi, expected)
    expected = [by_hand(folder, text, "query", attend) for text in QUERIES]
    assert_equal(embedder.embed_queries(QUERIES).multi, expected)
    assert_equal(embedder.embed_queries(QUERIES[1:2]).multi, expected[1:2])
    assert all(len(rows) == 16 for rows in expected)


def test_lengths_are_the_checkpoints(variant_folder):
    embedder = Embedder.load(variant_folder("stanford"))
    assert embedder.max_tokens == 40
    assert embedder.count_tokens(["anchor"]) == [4]  # with the marker
    assert len(embedder.embed_documents(["anchor " * 37]).multi.values[0]) == 40
    with pytest.raises(TextTooLongError, match="at most 40 tokens, got 41"):
        embedder.embed_documents(["anchor " * 38])
    with pytest.raises(TextTooLongError, match="at most 16 tokens, got 17"):
        embedder.embed_queries(["anchor " * 14])
    cut = embedder.embed_queries(["anchor " * 50], truncate=True).multi.values[0]
    full = embedder.embed_queries(["anchor " * 13]).multi.values[0]
    np.testing.assert_array_equal(cut, full)


def test_what_changes_documents_is_part_of_the_space_and_queries_are_free(variant_folder):
    spaces = {name: Embedder.load(variant_folder(name)).spaces["multi"] for name in BUILDERS}
    assert spaces["stanford"] == spaces["stanford-attend"]
    assert spaces["stanford"] != spaces["stanford-punctuation"]
    assert spaces["pylate"] == spaces["pylate-no-expansion"]


def test_a_missing_projection_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = build_stanford(tmp_path / "stanford")
    weights = load_file(folder / "model.safetensors")
    del weights["linear.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"linear\.weight of 12 × 32"):
        Embedder.load(folder)


def test_a_marker_that_is_no_token_is_refused(tmp_path):
    folder = build_stanford(tmp_path / "stanford", query_token_id="[unused77]")
    with pytest.raises(CheckpointError, match=r"\[unused77\]"):
        Embedder.load(folder)


def test_missing_settings_are_refused(tmp_path):
    folder = build_stanford(tmp_path / "stanford")
    (folder / "artifact.metadata").unlink()
    with pytest.raises(CheckpointError, match=r"artifact\.metadata"):
        Embedder.load(folder)


def test_a_mask_that_we_would_not_obey_is_refused(tmp_path):
    folder = build_native(tmp_path / "native")
    file = next(folder.glob("*MultiVectorMask")) / "config.json"
    change(file, keep_only_token_ids=[3])
    with pytest.raises(CheckpointError, match="keep_only_token_ids"):
        Embedder.load(folder)


def test_a_late_interaction_model_has_no_dense_leg(variant_folder):
    with pytest.raises(MissingHeadError, match="with a dense head"):
        Embedder.load(variant_folder("stanford"), modes=["dense"])
