"""Small calls of several threads share a pass, each gets its own, and none suffers for another."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from waiting import PATIENCE_S, until

from trivet.embedding import Embedder
from trivet.embedding.coalescing import Coalescer
from trivet.embedding.runner import Job, Made
from trivet.embedding.tokenizing import TokenisedText
from trivet.types import SparseVector

DOCUMENTS = Job(("dense",), "document", (1, 1))
QUERIES = Job(("dense",), "query", (1, 1))


def texts(*lengths):
    return [TokenisedText([length] * length, length) for length in lengths]


class Model:
    """Vectors that tell which text they are of; its first pass waits until it is let go."""

    def __init__(self, fail=None):
        self.passes, self.held, self.under_way = [], threading.Event(), threading.Event()
        self._fail = fail or (lambda texts: None)

    def __call__(self, texts, job):
        self.passes.append(([len(text.ids) for text in texts], job.role))
        if len(self.passes) == 1:
            self.under_way.set()
            assert self.held.wait(PATIENCE_S)
        self._fail(texts)
        numbers = [float(len(text.ids)) for text in texts]
        return Made(
            dense=np.array([[number, -number] for number in numbers], dtype=np.float32),
            sparse=[SparseVector(np.array([int(n)]), np.array([n])) for n in numbers],
            multi=[np.full((int(n), 2), n, dtype=np.float32) for n in numbers],
        )


def crowd(model, calls, limit=100):
    """One call is under way; these others come while it is; then all go on."""
    coalescer = Coalescer(model, limit=limit)
    with ThreadPoolExecutor(len(calls) + 1) as pool:
        results = [pool.submit(coalescer.represent, texts(7), DOCUMENTS)]
        assert model.under_way.wait(PATIENCE_S)
        small = 0
        for lengths, job in calls:
            results.append(pool.submit(coalescer.represent, texts(*lengths), job))
            small += sum(lengths) < limit
            until(lambda small=small: len(coalescer._waiting) == small)
        model.held.set()
    return results


def lengths_of(result):
    return [row[0] for row in result.result().dense]


def test_calls_that_wait_share_the_next_pass_and_each_gets_its_own():
    model = Model()
    calls = [([3, 5], DOCUMENTS), ([2], DOCUMENTS), ([9, 1, 4], DOCUMENTS)]
    results = crowd(model, calls)
    assert model.passes == [([7], "document"), ([3, 5, 2, 9, 1, 4], "document")]
    for (lengths, _), result in zip([([7], DOCUMENTS), *calls], results, strict=True):
        made = result.result()
        assert lengths_of(result) == lengths
        assert [int(vector.indices[0]) for vector in made.sparse] == lengths
        assert [len(rows) for rows in made.multi] == lengths


def test_calls_of_another_kind_wait_for_a_pass_of_their_own():
    model = Model()
    results = crowd(model, [([3], DOCUMENTS), ([2], QUERIES), ([4], DOCUMENTS), ([5], QUERIES)])
    assert model.passes[1:] == [([3, 4], "document"), ([2, 5], "query")]
    assert [lengths_of(result) for result in results] == [[7], [3], [2], [4], [5]]


def test_a_pass_holds_no_more_than_its_limit_and_the_first_comes_first():
    model = Model()
    crowd(model, [([9], DOCUMENTS), ([8], DOCUMENTS), ([3], DOCUMENTS), ([7], DOCUMENTS)], limit=12)
    assert model.passes[1:] == [([9, 3], "document"), ([8], "document"), ([7], "document")]


def test_a_large_call_waits_for_nobody():
    model = Model()
    coalescer = Coalescer(model, limit=10)
    with ThreadPoolExecutor(1) as pool:
        small = pool.submit(coalescer.represent, texts(7), DOCUMENTS)
        assert model.under_way.wait(PATIENCE_S)
        made = coalescer.represent(texts(10), DOCUMENTS)
        assert not small.done()
        model.held.set()
    assert made.dense[0, 0] == 10


def test_an_error_is_met_by_the_call_that_causes_it_alone():
    def fail(texts):
        if any(len(text.ids) == 5 for text in texts):
            raise ValueError("five")

    results = crowd(Model(fail), [([3], DOCUMENTS), ([5, 1], DOCUMENTS), ([4], DOCUMENTS)])
    with pytest.raises(ValueError, match="five"):
        results[2].result()
    assert [lengths_of(results[i]) for i in (0, 1, 3)] == [[7], [3], [4]]


def test_an_interrupt_of_the_thread_that_runs_the_pass_reaches_no_other_call():
    def interrupt(texts):
        if [len(text.ids) for text in texts] == [7]:
            raise KeyboardInterrupt

    results = crowd(Model(interrupt), [([3], DOCUMENTS), ([4], DOCUMENTS)])
    with pytest.raises(KeyboardInterrupt):
        results[0].result()
    assert [lengths_of(result) for result in results[1:]] == [[3], [4]]


def test_an_interrupted_pass_of_several_calls_is_run_again_by_those_that_wait():
    interrupts = [KeyboardInterrupt()]

    def interrupt(texts):
        if len(texts) > 1 and interrupts:
            raise interrupts.pop()

    results = crowd(Model(interrupt), [([3], DOCUMENTS), ([4], DOCUMENTS), ([6], DOCUMENTS)])
    failed = [result for result in results if result.exception() is not None]
    assert len(failed) == 1
    assert isinstance(failed[0].exception(), KeyboardInterrupt)
    expected = [[7], [3], [4], [6]]
    for result, lengths in zip(results, expected, strict=True):
        assert result in failed or lengths_of(result) == lengths


def test_one_thread_after_another_runs_alone():
    model = Model()
    model.held.set()
    coalescer = Coalescer(model, limit=100)
    for length in (3, 4, 5):
        assert coalescer.represent(texts(length), QUERIES).dense[0, 0] == length
    assert [lengths for lengths, _ in model.passes] == [[3], [4], [5]]


@pytest.mark.parametrize(
    ("precision", "device", "shared"),
    [
        ("auto", "cuda", True),
        ("bfloat16", "mps", True),
        ("float32", "cuda", False),
        ("bfloat16", "cpu", False),
    ],
)
def test_company_is_sought_where_it_is_of_use_and_no_bits_are_promised(
    tiny_model, monkeypatch, precision, device, shared
):
    embedder = Embedder.load(tiny_model, precision=precision)
    model, seen = Model(), []
    model.held.set()
    runner = SimpleNamespace(represent=model, gains_by_company=device != "cpu")
    monkeypatch.setattr(embedder.weights, "runner", lambda: runner)
    represent = Coalescer.represent
    monkeypatch.setattr(Coalescer, "represent", lambda *call: seen.append(call) or represent(*call))
    # The stand-in makes a number of every text's tokens: [CLS], anchor, [SEP].
    assert embedder.embed_queries(["anchor"]).dense.values.tolist() == [[3, -3]]
    assert bool(seen) is shared
