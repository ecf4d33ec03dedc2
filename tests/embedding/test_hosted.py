"""A foreign model behind calls: what is sent, what is read, what is counted, what its space is."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from trivet import CallPolicy, Embedder, Query
from trivet.errors import (
    EmbeddingError,
    InstructionError,
    InvalidInputError,
    MissingHeadError,
    TextTooLongError,
    UnknownTaskError,
)

DIMS = 8
TEXTS = ["a kedge is a light anchor", "leeway", "what keeps a ship in place?", "rope", "sail"]


def vector(text, salt=0):
    """Some numbers that a text alone decides."""
    generator = np.random.default_rng([salt, *text.encode()])
    return generator.normal(size=DIMS) * 3


def unit(rows):
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Service:
    """Keeps every list of texts that it was sent."""

    def __init__(self, salt=0):
        self.sent, self._salt = [], salt

    def __call__(self, texts):
        self.sent.append(texts)
        return [vector(text, self._salt).tolist() for text in texts]


def wrapped(documents=None, **changes):
    return Embedder.wrap(
        **{"name": "vendor/m", "dims": DIMS, "documents": documents or Service(), **changes}
    )


def words(text):
    return len(text.split())


def test_vectors_are_the_services_at_length_1_in_the_order_of_the_texts():
    documents, queries = Service(1), Service(2)
    embedder = wrapped(documents, queries=queries)
    made = embedder.embed_documents(TEXTS).dense
    np.testing.assert_allclose(made.values, unit([vector(t, 1) for t in TEXTS]), atol=1e-7)
    assert made.values.dtype == np.float32
    assert made.space == embedder.spaces["dense"]
    asked = embedder.embed_queries(TEXTS[:2]).dense.values
    np.testing.assert_allclose(asked, unit([vector(t, 2) for t in TEXTS[:2]]), atol=1e-7)
    assert (documents.sent, queries.sent) == ([TEXTS], [TEXTS[:2]])


def test_batches_hold_so_many_texts_in_order():
    service = Service()
    embedder = wrapped(service, policy=CallPolicy(batch_size=2))
    made = embedder.embed_documents(TEXTS).dense.values
    assert service.sent == [TEXTS[:2], TEXTS[2:4], TEXTS[4:]]
    np.testing.assert_allclose(made, unit([vector(text) for text in TEXTS]), atol=1e-7)


def test_batches_hold_so_many_tokens_and_a_longer_text_goes_alone():
    service = Service()
    policy = CallPolicy(batch_tokens=4)
    wrapped(service, count_tokens=words, policy=policy).embed_documents(TEXTS)
    assert [[words(text) for text in batch] for batch in service.sent] == [[6], [1], [6], [1, 1]]


def test_no_text_is_no_call():
    service = Service()
    assert wrapped(service).embed_documents([]).dense.values.shape == (0, DIMS)
    assert service.sent == []


def test_what_is_no_text_is_refused_before_the_call():
    service = Service()
    with pytest.raises(InvalidInputError, match="position 1, got an empty or blank text"):
        wrapped(service).embed_documents(["a", " "])
    assert service.sent == []


def test_threads_get_the_vectors_of_their_own_texts():
    embedder = wrapped(policy=CallPolicy(batch_size=3))
    lists = [[f"text {i} of {n}" for i in range(n)] for n in range(1, 17)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda texts: embedder.embed_documents(texts).dense.values, lists))
    for texts, values in zip(lists, made, strict=True):
        np.testing.assert_allclose(values, unit([vector(t) for t in texts]), atol=1e-7)


def test_a_model_that_is_blind_to_roles_is_allowed_and_its_space_says_so():
    service = Service()
    blind, sighted = wrapped(service), wrapped(service, queries=Service())
    assert blind.spaces["dense"].facts["role_blind"] is True
    assert sighted.spaces["dense"].facts["role_blind"] is False
    assert blind.spaces != sighted.spaces
    documents, queries = blind.embed_documents(["anchor"]), blind.embed_queries(["anchor"])
    np.testing.assert_array_equal(documents.dense.values, queries.dense.values)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "vendor/n"},
        {"dims": 9},
        {"revision": "2"},
        {"prompts": {"document": "text: {text}"}},
    ],
)
def test_what_changes_the_vectors_is_a_space_of_its_own(change):
    assert wrapped(**change).spaces["dense"] != wrapped().spaces["dense"]


@pytest.mark.parametrize(
    "change",
    [
        {"max_tokens": 99},
        {"count_tokens": words},
        {"policy": CallPolicy(attempts=1)},
        {"prompts": {"query": "query: {text}"}},
    ],
)
def test_how_it_is_called_is_not_part_of_the_space(change):
    assert wrapped(**change).spaces["dense"] == wrapped().spaces["dense"]


def test_it_says_what_it_is_and_its_recipe_is_json():
    embedder = wrapped(revision="3")
    assert (embedder.name, embedder.source, embedder.modes) == (
        "vendor/m",
        "wrapped:vendor/m",
        ("dense",),
    )
    assert json.loads(json.dumps(embedder.recipe)) == {"dims": DIMS, "revision": "3"}
    assert embedder.is_loaded
    embedder.load_weights()
    assert repr(embedder) == "Embedder('vendor/m', modes=['dense'], wrapped)"
    assert embedder.only(["dense"]).spaces == embedder.spaces
    with pytest.raises(MissingHeadError, match="makes multi vectors"):
        embedder.only(["multi"])


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


class LangChainEmbeddings:
    """The two calls of LangChain's `Embeddings`."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        assert isinstance(texts, list)
        return [vector(text, 1).tolist() for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return vector(text, 2).tolist()


class LlamaIndexEmbedding:
    """The two calls of LlamaIndex's `BaseEmbedding`."""

    def get_text_embedding_batch(self, texts, show_progress=False, **kwargs):
        return [vector(text, 1).tolist() for text in texts]

    def get_query_embedding(self, query):
        return vector(query, 2).tolist()


def test_models_of_langchain_and_llama_index_are_wrapped_by_their_methods():
    chain, llama = LangChainEmbeddings(), LlamaIndexEmbedding()
    wraps = [
        wrapped(chain.embed_documents, queries=lambda texts: [chain.embed_query(t) for t in texts]),
        wrapped(
            llama.get_text_embedding_batch,
            queries=lambda texts: [llama.get_query_embedding(t) for t in texts],
        ),
    ]
    for embedder in wraps:
        made = embedder.embed_documents(TEXTS).dense.values
        np.testing.assert_allclose(made, unit([vector(t, 1) for t in TEXTS]), atol=1e-7)
        asked = embedder.embed_queries(TEXTS).dense.values
        np.testing.assert_allclose(asked, unit([vector(t, 2) for t in TEXTS]), atol=1e-7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": " "}, "the model's name, got an empty"),
        ({"name": 3}, "the model's name, got int"),
        ({"revision": None}, "revision"),
        ({"dims": 0}, "dims of 1 or more, got 0"),
        ({"dims": True}, "dims"),
        ({"dims": 8.0}, "dims"),
        ({"max_tokens": 0}, "max_tokens of 1 or more"),
        ({"documents": LangChainEmbeddings()}, "documents=model.embed_documents"),
        ({"queries": "vendor/m"}, "queries to be a function, got str"),
        ({"count_tokens": 3}, "count_tokens to be a function, got int"),
        ({"policy": {"attempts": 3}}, "CallPolicy, got dict"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(change, message):
    with pytest.raises(InvalidInputError, match=message):
        wrapped(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 0},
        {"batch_size": None},
        {"batch_tokens": 0},
        {"requests_per_minute": 0.5},
        {"attempts": 0},
        {"attempts": True},
        {"patience_s": -1},
        {"patience_s": float("nan")},
        {"patience_s": "long"},
    ],
)
def test_policies_that_mean_nothing_are_refused(change):
    with pytest.raises(InvalidInputError, match=next(iter(change))):
        CallPolicy(**change)
