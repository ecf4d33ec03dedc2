"""What a foreign model may answer, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from trivet import Embedder
from trivet.errors import EmbeddingError

DIMS = 8
TEXTS = ["a kedge is a light anchor", "leeway", "rope"]


def vector(text):
    """Some numbers that a text alone decides."""
    return np.random.default_rng([*text.encode()]).normal(size=DIMS) * 3


def unit(rows):
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def wrapped(documents):
    return Embedder.wrap(name="vendor/m", dims=DIMS, documents=documents)


def rows(texts):
    return [vector(text) for text in texts]


REPLIES = {
    "lists": lambda texts: [row.tolist() for row in rows(texts)],
    "array": lambda texts: np.stack(rows(texts)),
    "float32": lambda texts: np.stack(rows(texts)).astype(np.float32),
    "generator": lambda texts: (row.tolist() for row in rows(texts)),
    "tuple of arrays": lambda texts: tuple(rows(texts)),
}


@pytest.mark.parametrize("kind", REPLIES)
def test_every_form_of_reply_is_read_alike(kind):
    made = wrapped(REPLIES[kind]).embed_documents(TEXTS).dense.values
    np.testing.assert_allclose(made, unit(rows(TEXTS)), atol=1e-6)


def test_whole_numbers_are_read():
    made = wrapped(lambda texts: [[0, 3, 4, 0, 0, 0, 0, 0]] * len(texts)).embed_documents(["a"])
    np.testing.assert_allclose(made.dense.values[0, :4], [0, 0.6, 0.8, 0], atol=1e-7)


def endless(texts):
    while True:
        yield [1.0] * DIMS


async def asynchronous(texts):
    return []


GOOD = [1.0] * DIMS
WRONG_REPLIES = [
    (lambda texts: [GOOD], "2 vectors from 'vendor/m' for 2 texts, got 1"),
    (lambda texts: [GOOD] * 3, "2 vectors from 'vendor/m' for 2 texts, got more"),
    (endless, "for 2 texts, got more"),
    (lambda texts: [], "for 2 texts, got 0"),
    (lambda texts: None, "a list of 2 vectors from 'vendor/m', got NoneType"),
    (lambda texts: "vectors", "got str"),
    (lambda texts: 3.0, "got float"),
    (lambda texts: [GOOD, GOOD[1:]], r"at position 1, got list of shape \(7,\)"),
    (lambda texts: [[GOOD], [GOOD]], r"at position 0, got list of shape \(1, 8\)"),
    (lambda texts: GOOD[:2], r"at position 0, got float of shape \(\)"),
    (lambda texts: [GOOD, None], "at position 1, got NoneType"),
    (lambda texts: {"a": GOOD, "b": GOOD}, "at position 0, got str"),
    (lambda texts: [["1.0"] * DIMS, GOOD], "at position 0, got list .* type <U3"),
    (lambda texts: [[True] * DIMS, GOOD], "type bool"),
    (lambda texts: [GOOD, [[1.0], [1.0, 2.0]]], "at position 1, got list"),
    (lambda texts: [GOOD, [0.0] * DIMS], "at position 1, got one of length 0"),
    (lambda texts: [GOOD, [*GOOD[1:], float("nan")]], "at position 1, got one of length nan"),
    (lambda texts: [[*GOOD[1:], float("-inf")], GOOD], "at position 0, got one of length inf"),
]


@pytest.mark.parametrize(("call", "message"), WRONG_REPLIES)
def test_a_wrong_reply_is_an_error_that_names_the_model_and_what_came(call, message):
    with pytest.raises(EmbeddingError, match=message) as caught:
        wrapped(call).embed_documents(["a", "b"])
    assert "'vendor/m'" in str(caught.value)


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_an_asynchronous_call_is_refused():
    with pytest.raises(EmbeddingError, match="got coroutine"):
        wrapped(asynchronous).embed_documents(["a"])
