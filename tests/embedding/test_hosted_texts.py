"""What a service is sent of a text: wordings, cuts and counts of tokens."""

from __future__ import annotations

import json

import pytest

from trivet import Embedder, Query
from trivet.errors import (
    EmbeddingError,
    InstructionError,
    InvalidInputError,
    TextTooLongError,
    UnknownTaskError,
)

from .hosted import Service, words, wrapped


def test_wordings_are_written_around_what_is_sent():
    service = Service()
    prompts = {"query": "Instruct: {instruction}\nQuery: {text}", "document": "{title}: {text}"}
    embedder = wrapped(service, prompts=prompts)
    embedder.embed_documents(["an anchor", "a sail"], titles=["kedge", ""])
    query = Query("what holds?", instruction="find gear")
    embedder.embed_queries([query])
    assert service.sent == [
        ["kedge: an anchor", "none: a sail"],
        ["Instruct: find gear\nQuery: what holds?"],
    ]
    assert embedder.render(query) == service.sent[1][0]
    assert embedder.render_document("an anchor", title="kedge") == service.sent[0][0]
    assert embedder.takes_titles
    assert (embedder.task, embedder.tasks) == ("search", ("search",))


def test_what_the_wording_has_no_place_for_is_refused():
    embedder = wrapped()
    with pytest.raises(InstructionError, match="no instruction for 'vendor/m'"):
        embedder.embed_queries([Query("a", instruction="b")])
    with pytest.raises(InstructionError, match="no title"):
        embedder.embed_documents(["a"], titles=["b"])
    with pytest.raises(UnknownTaskError, match="out of search"):
        embedder.embed_queries(["a"], task="tool")
    with pytest.raises(InstructionError, match="wording"):
        wrapped(prompts={"query": "query:"})
    with pytest.raises(InvalidInputError, match="prompts"):
        wrapped(prompts={"title": "{text}"})


def test_a_long_text_is_refused_with_its_position_and_length_and_nothing_is_sent():
    service = Service()
    embedder = wrapped(service, max_tokens=5, count_tokens=words)
    with pytest.raises(TextTooLongError, match="at most 5 tokens, got 6 at position 1") as caught:
        embedder.embed_documents(["a b c d e", "a b c d e f"])
    assert service.sent == []
    assert "guess" not in str(caught.value)
    with pytest.raises(TextTooLongError, match="a guess until wrap gets count_tokens="):
        wrapped(max_tokens=5).embed_queries(["seven bytes"])


def test_a_cut_text_is_the_longest_beginning_that_fits_and_keeps_what_is_around_it():
    service = Service()
    embedder = wrapped(
        service, max_tokens=6, count_tokens=words, prompts={"document": "a text: {text} (end)"}
    )
    embedder.embed_documents(["one two three four five"], truncate=True)
    text = "one two three four five"
    fitting = [text[:n] for n in range(len(text)) if words(f"a text: {text[:n]} (end)") <= 6]
    assert service.sent == [[f"a text: {fitting[-1]} (end)"]]
    assert fitting[-1] == "one two three "


@pytest.mark.parametrize("truncate", [False, True])
def test_a_wording_without_room_for_a_text_is_refused(truncate):
    embedder = wrapped(max_tokens=3, count_tokens=words, prompts={"query": "a b c {text}"})
    with pytest.raises(InstructionError, match="leave room for a text in 3 tokens"):
        embedder.embed_queries(["anchor"], truncate=truncate)


@pytest.mark.parametrize("count", [None, 1.5, -1, "3", True])
def test_a_count_that_is_no_number_of_tokens_is_refused(count):
    with pytest.raises(EmbeddingError, match=r"count_tokens of 'vendor/m' to return a whole"):
        wrapped(count_tokens=lambda text: count).embed_documents(["a"])


def test_a_tokenizer_that_fails_is_an_error_from_the_original():
    def fail(text):
        raise KeyError("<|endoftext|>")

    with pytest.raises(EmbeddingError, match="got KeyError") as caught:
        wrapped(count_tokens=fail).count_tokens(["a"])
    assert isinstance(caught.value.__cause__, KeyError)


def test_tokens_are_counted_with_the_wording():
    embedder = wrapped(count_tokens=words, prompts={"document": "the text: {text}"})
    assert embedder.count_tokens(["anchor", "", "a b"]) == [3, 2, 4]


def test_without_a_counter_tokens_are_half_the_bytes_and_two():
    assert wrapped().count_tokens(["", "a", "abcd", "äöü", "木木"]) == [2, 3, 4, 5, 5]


@pytest.mark.model
@pytest.mark.data
@pytest.mark.parametrize("name", ["cranfield", "cosqa-dev", "xquad-de", "xquad-zh", "jsquad-valid"])
def test_no_stretch_of_real_text_has_more_tokens_than_the_estimate(name, data_dir):
    import gzip

    from trivet.embedding.hosted import estimated_tokens
    from trivet.embedding.locate import DEFAULT_MODEL

    with gzip.open(data_dir / name / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
        whole = "\n".join(json.loads(line)["text"] for line in lines).encode()[:300_000]
    starts = range(0, len(whole) - 1020, 1020)
    stretches = [whole[start : start + 1020].decode(errors="ignore") for start in starts]
    real = Embedder.load(DEFAULT_MODEL).count_tokens(stretches)
    assert len(stretches) > 50
    assert [n for n, s in zip(real, stretches, strict=True) if n > estimated_tokens(s)] == []
