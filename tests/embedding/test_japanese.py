"""Japanese checkpoints are cut into tokens as transformers does, or the missing extra is named."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from checkpoints import HIDDEN, write_json
from japanese import TEXTS, build_japanese, write_japanese_tokenizer
from layouts import change

import trivet
from trivet.embedding import Embedder
from trivet.embedding.japanese import make_tokenizer
from trivet.errors import CheckpointError, MissingExtraError, TextTooLongError

VARIANTS = {
    "unidic": {"dictionary": "unidic_lite"},
    "ipadic": {"dictionary": "ipadic"},
    "lower-case": {"do_lower_case": True},
    "characters": {"subword_tokenizer_type": "character"},
    "no-mecab": {"word_tokenizer_type": "basic"},
    "no-mecab-lower-case": {"word_tokenizer_type": "basic", "do_lower_case": True},
    "default-dictionary": {"mecab_kwargs": None},
}


def transformers_own(folder):
    from transformers import BertJapaneseTokenizer

    return BertJapaneseTokenizer.from_pretrained(str(folder))


@pytest.mark.parametrize("variant", VARIANTS)
def test_tokens_equal_those_of_transformers(tmp_path, variant):
    write_japanese_tokenizer(tmp_path, **VARIANTS[variant])
    ours, theirs = make_tokenizer(tmp_path), transformers_own(tmp_path)
    made = [encoding.ids for encoding in ours.encode_batch_fast(TEXTS)]
    assert made == [theirs(text)["input_ids"] for text in TEXTS]
    unknown = [ids.count(1) / len(ids) for ids in made[:4]]
    assert max(unknown) < 0.2  # the vocabulary does know the texts
    assert len({tuple(ids) for ids in made}) == len(TEXTS)


@pytest.mark.data
def test_tokens_of_wikipedia_equal_those_of_transformers(tmp_path, data_dir):
    packed = (data_dir / "jsquad-valid" / "corpus.jsonl.gz").read_bytes()
    texts = [json.loads(line)["text"] for line in gzip.decompress(packed).splitlines()][:300]
    write_japanese_tokenizer(tmp_path)
    ours, theirs = make_tokenizer(tmp_path), transformers_own(tmp_path)
    made = [encoding.ids for encoding in ours.encode_batch_fast(texts)]
    assert made == [theirs(text)["input_ids"] for text in texts]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return build_japanese(tmp_path_factory.mktemp("japanese") / "bert")


def test_vectors_equal_those_of_sentence_transformers(folder):
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    embedder = Embedder.load(folder)
    made = embedder.embed_documents(TEXTS).dense.values
    np.testing.assert_allclose(made, theirs.encode_document(TEXTS), atol=1e-5)
    queries = embedder.embed_queries(TEXTS).dense.values
    np.testing.assert_allclose(queries, theirs.encode_query(TEXTS), atol=1e-5)
    counts = [len(theirs.tokenizer(text)["input_ids"]) for text in TEXTS]
    assert embedder.count_tokens(TEXTS) == counts


def test_a_long_text_is_refused_or_cut_at_its_end(folder):
    embedder = Embedder.load(folder, prompts={"document": "文書 {text} 終"})
    long = "錨は重い。" * 40
    with pytest.raises(TextTooLongError, match="at most 64 tokens"):
        embedder.embed_documents([long])
    assert np.isfinite(embedder.embed_documents([long], truncate=True).dense.values).all()


def test_the_callers_tokenizer_is_a_copy(folder):
    embedder = Embedder.load(folder)
    embedder.tokenizer.enable_truncation(4)
    assert embedder.count_tokens(TEXTS[:1])[0] > 4
    assert embedder.tokenizer.encode(TEXTS[0]).offsets[1] == (0, 1)


def test_a_text_with_its_lower_casing_before_the_tokenizer_is_cut_so(tmp_path):
    folder = build_japanese(tmp_path / "m")
    change(folder / "sentence_bert_config.json", do_lower_case=True)
    embedder = Embedder.load(folder)
    assert embedder.tokenizer.encode("ABC").ids == embedder.tokenizer.encode("abc").ids


def test_threads_find_the_same_words(folder):
    embedder = Embedder.load(folder)
    expected = embedder.count_tokens(TEXTS * 20)
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(embedder.count_tokens, [TEXTS * 20] * 20))
    assert counts == [expected] * 20


def test_long_documents_are_cut_into_chunks(folder):
    with trivet.open(":memory:", model=Embedder.load(folder, modes=["dense"])) as index:
        text = "".join(TEXTS[:4]) * 8
        index.add([trivet.Document(text, id="a"), trivet.Document(TEXTS[1], id="b")])
        assert index.describe().chunks > 3
        assert index.search(TEXTS[1], k=1)[0].id == "b"


def test_jacolbert_gives_what_the_computation_by_hand_does(tmp_path):
    """Stanford's layout over a Japanese BERT, whose tokenizer_config names no special tokens."""
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import BertConfig, BertModel

    folder = build_japanese(tmp_path / "m", modules=False)
    file = folder / "model.safetensors"
    weights = load_file(file)
    generator = torch.Generator().manual_seed(4)
    projection = torch.randn(12, HIDDEN, generator=generator)
    named = {f"bert.{name}": tensor for name, tensor in weights.items()}
    save_file({**named, "linear.weight": projection}, file, metadata={"format": "pt"})
    change(folder / "config.json", architectures=["HF_ColBERT"])
    stated = {"query_maxlen": 32, "doc_maxlen": 60, "dim": 12, "mask_punctuation": False}
    write_json(folder / "artifact.metadata", stated)
    embedder, theirs = Embedder.load(folder), transformers_own(folder)
    model = BertModel(BertConfig.from_pretrained(folder)).eval()
    model.load_state_dict(weights)
    for role, marker in (("query", "[unused0]"), ("document", "[unused1]")):
        embed = embedder.embed_queries if role == "query" else embedder.embed_documents
        for text, made in zip(TEXTS[:4], embed(TEXTS[:4]).multi.values, strict=True):
            ids = theirs(text)["input_ids"]
            ids.insert(1, theirs.convert_tokens_to_ids(marker))
            seen = len(ids)
            ids += [theirs.mask_token_id] * ((32 - seen) if role == "query" else 0)
            mask = torch.tensor([[1] * seen + [0] * (len(ids) - seen)])
            with torch.no_grad():
                states = model(torch.tensor([ids]), attention_mask=mask).last_hidden_state[0]
            rows = (states @ projection.T).numpy()
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            np.testing.assert_allclose(made, rows, atol=1e-5)


def test_added_tokens_have_the_numbers_that_they_were_given(tmp_path):
    words = write_japanese_tokenizer(tmp_path)
    added = {str(words): {"content": "[Q] ", "special": False, "normalized": True}}
    change(tmp_path / "tokenizer_config.json", added_tokens_decoder=added)
    assert make_tokenizer(tmp_path).token_to_id("[Q] ") == words
    change(tmp_path / "tokenizer_config.json", added_tokens_decoder={"9": {"content": "[Q] "}})
    with pytest.raises(CheckpointError, match=r"added token '\[Q\] ' at number 9"):
        make_tokenizer(tmp_path)


def test_what_changes_tokens_is_part_of_the_space(folder, tmp_path, monkeypatch):
    spaces = Embedder.load(folder).spaces
    assert Embedder.load(build_japanese(tmp_path / "same")).spaces == spaces
    other = build_japanese(tmp_path / "other")
    change(other / "tokenizer_config.json", mecab_kwargs={"mecab_dic": "ipadic"})
    assert Embedder.load(other).spaces != spaces
    from trivet.embedding import japanese

    monkeypatch.setattr(japanese, "version", lambda package: "9.9")
    assert Embedder.load(folder).spaces != spaces


@pytest.mark.parametrize(
    ("package", "settings"),
    [
        ("fugashi", {}),
        ("unidic_lite", {}),
        ("unidic_lite", {"mecab_kwargs": None}),
        ("ipadic", {"dictionary": "ipadic"}),
    ],
)
def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    tmp_path, monkeypatch, package, settings
):
    import sys

    folder = build_japanese(tmp_path / "m", **settings)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf'{package}.* pip install "trivet\[ja\]"'):
        Embedder.load(folder)
    change(folder / "tokenizer_config.json", word_tokenizer_type="basic")
    assert len(Embedder.load(folder).embed_documents(TEXTS)) == len(TEXTS)  # needs none of them


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"word_tokenizer_type": "sudachi"}, "word_tokenizer_type"),
        ({"subword_tokenizer_type": "sentencepiece"}, "subword_tokenizer_type"),
        ({"do_word_tokenize": False}, "do_word_tokenize"),
        ({"never_split": ["東京"]}, "never_split"),
        ({"mecab_kwargs": {"normalize_text": False}}, "normalize_text"),
        ({"mecab_kwargs": {"mecab_dic": "none"}}, "mecab_kwargs"),
        ({"mecab_kwargs": {"mecab_dic": None, "mecab_option": "-d /nowhere"}}, "mecab_kwargs"),
    ],
)
def test_a_setting_that_we_would_not_obey_is_refused_by_name(tmp_path, settings, message, capfd):
    folder = build_japanese(tmp_path / "m", **settings)
    with pytest.raises(CheckpointError, match=message):
        Embedder.load(folder)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_missing_or_damaged_vocabulary_is_refused(tmp_path, content):
    folder = build_japanese(tmp_path / "m")
    (folder / "vocab.txt").unlink()
    if content is not None:
        (folder / "vocab.txt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"vocab\.txt"):
        Embedder.load(folder)
