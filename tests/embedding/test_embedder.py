"""The promises of `Embedder`, on tiny checkpoints."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter

import numpy as np
import pytest

from trivet.embedding import Embedder
from trivet.errors import (
    CheckpointError,
    EmbeddingError,
    InvalidInputError,
    MissingHeadError,
    TextTooLongError,
    UnknownModeError,
)

TEXTS = ["a kedge is a light anchor", "leeway is sideways drift", "what keeps a ship in place?"]
LONG = " ".join(["anchor"] * 100)


@pytest.fixture(scope="module")
def embedder(tiny_model):
    return Embedder.load(tiny_model)


def test_load_reads_what_the_model_is_without_its_weights(tiny_model):
    embedder = Embedder.load(tiny_model)
    assert embedder.name == embedder.source == str(tiny_model)
    assert embedder.modes == ("dense", "multi")
    assert embedder.max_tokens == 64
    assert embedder.spaces["dense"].dims == 32
    assert not embedder.is_loaded
    assert repr(embedder) == f"Embedder({str(tiny_model)!r}, modes=['dense', 'multi'], not loaded)"


def test_a_relative_folder_is_recorded_by_its_absolute_path(tiny_model, monkeypatch):
    monkeypatch.chdir(tiny_model.parent)
    embedder = Embedder.load(tiny_model.name)
    assert (embedder.name, embedder.source) == (tiny_model.name, str(tiny_model))


def test_neither_import_nor_load_brings_heavy_libraries(tiny_model):
    code = (
        "import sys; from trivet.embedding import Embedder; heavy = {'torch', 'transformers', "
        "'sentence_transformers', 'qdrant_client', 'qdrant_edge', 'huggingface_hub'}; "
        "before = heavy & set(sys.modules); e = Embedder.load(sys.argv[1]); "
        "e.count_tokens(['a']); e.embed_documents([]); after = heavy & set(sys.modules); "
        "e.embed_documents(['a']); loaded = [name in sys.modules for name in ('torch', "
        "'sentence_transformers')]; sys.exit(repr((before, after, loaded)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tiny_model)], capture_output=True, text=True, check=False
    )
    # The last of the three shows that the look-up would have seen torch.
    assert run.stderr.strip().splitlines()[-1] == "(set(), set(), [True, False])"
    assert run.stdout == ""


def test_every_text_gives_a_row_in_the_space_of_its_leg(embedder):
    made = embedder.embed_documents(TEXTS)
    assert made.dense.space == embedder.spaces["dense"]
    assert made.dense.values.shape == (3, 32)
    assert made.dense.values.dtype == np.float32
    assert made.dense.values.flags.writeable
    np.testing.assert_allclose(np.linalg.norm(made.dense.values, axis=1), 1, atol=1e-6)
    assert list(made.legs) == ["dense", "multi"]


def test_a_tuple_is_a_list_too(embedder):
    assert len(embedder.embed_documents(tuple(TEXTS))) == 3


def test_no_text_gives_no_row_and_loads_nothing(tiny_model):
    embedder = Embedder.load(tiny_model)
    assert embedder.embed_queries([]).dense.values.shape == (0, 32)
    assert embedder.count_tokens([]) == []
    assert not embedder.is_loaded


def test_a_vector_depends_on_no_other_text_of_the_call(embedder):
    texts = [*TEXTS, " ".join(["water"] * 60), "a", *["ship and sail " * n for n in range(1, 15)]]
    together = embedder.embed_documents(texts).dense.values
    alone = np.concatenate([embedder.embed_documents([text]).dense.values for text in texts])
    backwards = embedder.embed_documents(texts[::-1]).dense.values[::-1]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(together, backwards, atol=1e-6)
    assert np.abs(together[0] - together[1]).max() > 0.05  # they do differ from each other


def test_a_long_text_is_refused_with_its_position_and_length(embedder):
    with pytest.raises(TextTooLongError, match=r"at most 64 tokens, got 102 at position 1"):
        embedder.embed_documents(["a", LONG])


def test_a_text_of_exactly_the_window_passes(embedder):
    fits = " ".join(["anchor"] * 62)
    assert embedder.count_tokens([fits]) == [64]
    assert len(embedder.embed_documents([fits])) == 1


def test_truncation_cuts_the_end_and_keeps_the_special_tokens(embedder):
    cut = embedder.embed_documents([LONG + " cat"], truncate=True).dense.values
    same = embedder.embed_documents([" ".join(["anchor"] * 62)]).dense.values
    np.testing.assert_array_equal(cut, same)


def test_a_word_of_200000_letters_and_a_text_of_200000_words_are_embedded(embedder):
    texts = ["x" * 200_000, "a b " * 100_000, "!" * 200_000, "\u200b\u200b", "木" * 5_000]
    made = embedder.embed_documents(texts, truncate=True).dense.values
    assert np.isfinite(made).all()


def test_tokens_are_counted_with_the_special_ones_and_the_document_prompt(embedder, checkpoint):
    prompted = Embedder.load(checkpoint(prompts={"query": "the question:", "document": "text: "}))
    assert embedder.count_tokens(["anchor", "kedge rope", "", " "]) == [3, 4, 2, 2]
    # "text" is no word of the vocabulary, but t and three pieces
    assert prompted.count_tokens(["anchor"]) == [3 + 4 + 1]


def test_the_tokenizer_neither_cuts_nor_pads(embedder):
    assert len(embedder.tokenizer.encode(LONG).ids) == 102
    assert len(embedder.tokenizer.encode("anchor").ids) == 3


def test_the_callers_changes_to_the_tokenizer_do_not_reach_ours(tiny_model):
    embedder = Embedder.load(tiny_model)
    embedder.tokenizer.enable_truncation(4)
    embedder.tokenizer.enable_padding(length=50)
    assert embedder.count_tokens([LONG, "a"]) == [102, 3]


NO_TEXTS = [
    ("a text", "expected a list of texts, got str"),
    (None, "expected a list of texts, got NoneType"),
    (iter(["a"]), "expected a list of texts, got list_iterator"),
    (["a", 3], "at position 1, got int"),
    (["a\ud800"], "at position 0, got a lone surrogate at offset 1"),
    (["a\x00"], "at position 0, got a NUL character at offset 1"),
]


@pytest.mark.parametrize(("texts", "message"), NO_TEXTS)
@pytest.mark.parametrize("method", ["embed_documents", "embed_queries", "count_tokens"])
def test_what_is_no_list_of_texts_is_refused(embedder, method, texts, message):
    with pytest.raises(InvalidInputError, match=message):
        getattr(embedder, method)(texts)


@pytest.mark.parametrize("method", ["embed_documents", "embed_queries"])
def test_a_blank_text_is_refused(embedder, method):
    with pytest.raises(InvalidInputError, match="at position 2, got an empty or blank text"):
        getattr(embedder, method)(["a", "b", "  "])


def test_a_mode_without_a_head_is_refused_with_its_file_and_what_there_is(tiny_model):
    message = r"a sparse head \(sparse_linear\.pt, .*\), got .*, which holds dense, multi"
    with pytest.raises(MissingHeadError, match=message):
        Embedder.load(tiny_model, modes=["dense", "sparse"])


@pytest.mark.parametrize("modes", [[], "dense", ["dens"]])
def test_an_unknown_mode_is_refused(tiny_model, modes):
    with pytest.raises(UnknownModeError):
        Embedder.load(tiny_model, modes=modes)


def test_the_held_mode_may_be_asked_for_by_name(tiny_model):
    assert Embedder.load(tiny_model, modes=["dense"]).modes == ("dense",)


def test_another_precision_is_refused_with_those_there_are(tiny_model):
    with pytest.raises(InvalidInputError, match="out of float32, bfloat16, auto, got 'int4'"):
        Embedder.load(tiny_model, precision="int4")


def test_damaged_weights_are_refused_when_they_are_loaded(checkpoint):
    folder = checkpoint()
    (folder / "model.safetensors").write_bytes(b"no weights")
    embedder = Embedder.load(folder)
    with pytest.raises(CheckpointError, match="expected a checkpoint that transformers"):
        embedder.embed_documents(["a"])
    assert not embedder.is_loaded


def test_a_missing_weight_is_never_replaced_by_a_random_one(checkpoint):
    from safetensors.torch import load_file, save_file

    folder = checkpoint()
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"got none for encoder\.layer\.1\.output\.dense"):
        Embedder.load(folder).load_weights()


def test_a_checkpoint_without_the_unread_pooler_is_loaded(checkpoint):
    from safetensors.torch import load_file, save_file

    folder = checkpoint()
    before = Embedder.load(folder).embed_documents(TEXTS).dense.values
    weights = load_file(folder / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if not name.startswith("pooler.")}
    assert len(kept) == len(weights) - 2
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    after = Embedder.load(folder).embed_documents(TEXTS).dense.values
    np.testing.assert_array_equal(before, after)


def test_a_failure_in_the_model_is_an_embedding_error_from_the_original(checkpoint):
    # A window that is longer than the position table: the model fails on a long text only.
    embedder = Embedder.load(checkpoint(max_tokens=100))
    assert len(embedder.embed_documents(["short"])) == 1
    with pytest.raises(EmbeddingError, match="1 texts of up to 82 tokens") as caught:
        embedder.embed_documents([" ".join(["anchor"] * 80)])
    assert caught.value.__cause__ is not None


def test_two_threads_load_the_weights_once(tiny_model, monkeypatch):
    from trivet.embedding import runner

    loads = Counter()
    load_fastest = runner.load_fastest

    def counting(*facts):
        loads["weights"] += 1
        return load_fastest(*facts)

    monkeypatch.setattr(runner, "load_fastest", counting)
    embedder = Embedder.load(tiny_model)
    results, barrier = {}, threading.Barrier(4)

    def embed(number):
        barrier.wait()
        results[number] = embedder.embed_documents(TEXTS).dense.values

    threads = [threading.Thread(target=embed, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads["weights"] == 1
    assert embedder.is_loaded
    for number in range(4):
        np.testing.assert_allclose(results[number], results[0], atol=1e-6)


def test_threads_with_texts_of_other_lengths_do_not_disturb_each_other(embedder):
    lists = [[" ".join(["ship"] * n), "a"] for n in (1, 20, 40, 60)] + [[LONG, LONG]]
    alone = [embedder.embed_documents(texts, truncate=True).dense.values for texts in lists]
    failures = []

    def embed(texts, expected):
        for _ in range(10):
            made = embedder.embed_queries(texts, truncate=True).dense.values
            if np.abs(made - expected).max() > 1e-6:
                failures.append(texts)

    pairs = zip(lists, alone, strict=True)
    threads = [threading.Thread(target=embed, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_load_weights_loads_them_before_the_first_text(tiny_model):
    embedder = Embedder.load(tiny_model)
    embedder.load_weights()
    assert embedder.is_loaded
    assert repr(embedder).endswith(" loaded)")
    assert not repr(embedder).endswith("not loaded)")


def test_loading_shows_no_progress_bar(tiny_model, capfd):
    Embedder.load(tiny_model).load_weights()
    assert capfd.readouterr() == ("", "")
