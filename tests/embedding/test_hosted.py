"""A foreign model behind calls: what is sent, what is read, what is counted, what its space is."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from trivet import CallPolicy
from trivet.errors import (
    InvalidInputError,
    MissingHeadError,
)

from .hosted import DIMS, TEXTS, Service, unit, vector, words, wrapped


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
