"""Several devices, a process each: the same vectors in the same order, and an end of every kind."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from chains import build_chain
from forked import forkserver
from layouts import build_m3

import trivet
from trivet.embedding import Embedder, processes, weights
from trivet.errors import CheckpointError, EmbeddingError

pytestmark = pytest.mark.slow  # a process takes seconds to start

TWO = ["cpu", "cpu"]
TEXTS = [" ".join(["ship and sail", "anchor", "wind"][n % 3 :] * (1 + n % 11)) for n in range(60)]


@pytest.fixture(scope="module", autouse=True)
def forked():
    """Processes start from one that has loaded torch; spawned, each would take seconds for that."""
    with pytest.MonkeyPatch.context() as patch:
        quick = SimpleNamespace(get_context=lambda method: forkserver())
        patch.setattr(processes, "multiprocessing", quick)
        yield


@pytest.fixture(scope="module")
def soon():
    """Processes start with the first text."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "ENOUGH_TOKENS", 1)
        patch.setattr(processes, "TOKEN_BUDGET", 64)  # so that there are many pieces
        yield


def workers(embedder):
    return [worker.process for worker in embedder.weights._processes._workers]


@pytest.fixture(scope="module")
def m3(tmp_path_factory):
    return build_m3(tmp_path_factory.mktemp("processes") / "m3")


@pytest.fixture(scope="module")
def shared(soon, m3):
    embedder = Embedder.load(m3, devices=TWO)
    yield embedder
    embedder.close()


@pytest.fixture(scope="module")
def alone(m3):
    return Embedder.load(m3)


def assert_equal(made, expected):
    assert list(made.legs) == list(expected.legs)
    for ours, theirs in zip(made, expected, strict=True):
        if ours.dense is not None:
            np.testing.assert_allclose(ours.dense.values, theirs.dense.values, atol=1e-5)
        if ours.multi is not None:
            np.testing.assert_allclose(ours.multi.values[0], theirs.multi.values[0], atol=1e-5)
        if ours.sparse is not None:
            first, second = ours.sparse.values[0], theirs.sparse.values[0]
            np.testing.assert_array_equal(first.indices, second.indices)
            np.testing.assert_allclose(first.values, second.values, atol=1e-5)


def test_vectors_equal_those_of_one_process_and_are_in_order(alone, shared):
    assert shared.spaces == alone.spaces
    assert_equal(shared.embed_documents(TEXTS), alone.embed_documents(TEXTS))
    assert_equal(shared.embed_queries(TEXTS[::-1]), alone.embed_queries(TEXTS[::-1]))
    assert_equal(shared.embed_documents(TEXTS[:1]), alone.embed_documents(TEXTS[:1]))
    assert_equal(
        shared.only(["sparse"]).embed_documents(TEXTS),
        alone.only(["sparse"]).embed_documents(TEXTS),
    )
    assert len(workers(shared)) == 2


def test_both_processes_work(shared, monkeypatch):
    heard, usual = [], processes._heard

    def hearing(worker):
        heard.append(id(worker))
        return usual(worker)

    shared.load_weights()
    assert shared.is_loaded
    monkeypatch.setattr(processes, "_heard", hearing)
    shared.embed_documents(TEXTS * 20)
    assert len(heard) >= 8
    assert len(set(heard)) == 2


def test_threads_take_turns(alone, shared):
    expected = alone.embed_documents(TEXTS)
    made = {}

    def embed(number):
        made[number] = shared.embed_documents(TEXTS)

    threads = [threading.Thread(target=embed, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(3):
        assert_equal(made[number], expected)


def test_an_index_is_filled_by_them(shared):
    with trivet.open(":memory:", model=shared.only(["dense"])) as index:
        index.add([trivet.Document(text, id=str(n)) for n, text in enumerate(set(TEXTS))])
        assert len(workers(shared)) == 2
        assert index.search(TEXTS[7], k=1)[0].text == TEXTS[7]


def test_modules_of_sentence_transformers_run_in_them_too(soon, tmp_path):
    folder = build_chain(tmp_path / "m", "layer-norm-prompts")
    alone, shared = Embedder.load(folder), Embedder.load(folder, devices=TWO)
    try:
        assert_equal(shared.embed_documents(TEXTS), alone.embed_documents(TEXTS))
        assert_equal(shared.embed_queries(TEXTS), alone.embed_queries(TEXTS))
        assert len(workers(shared)) == 2
    finally:
        shared.close()


def test_few_texts_start_none_many_do_and_they_end_with_their_embedders(tiny_model, monkeypatch):
    monkeypatch.setattr(weights, "ENOUGH_TOKENS", processes.ENOUGH_TOKENS)
    embedder = Embedder.load(tiny_model, devices=TWO)
    dense = embedder.only(["dense"])
    few = dense.embed_documents(TEXTS[:5])
    assert workers(embedder) == []
    many = ["ship and sail " * 15] * (processes.ENOUGH_TOKENS // 47 + 1)
    assert len(dense.embed_documents([*TEXTS[:5], *many])) == len(many) + 5
    running = workers(embedder)
    assert [process.is_alive() for process in running] == [True, True]
    again = dense.embed_documents(TEXTS[:5])  # they are there: why load weights twice
    np.testing.assert_allclose(again.dense.values, few.dense.values, atol=1e-6)
    assert workers(embedder) == running
    pids = [process.pid for process in running]
    del embedder
    gc.collect()
    assert all(map(alive_process, pids))  # the other one still has them
    del dense
    gc.collect()
    assert not any(map(alive_process, pids))


def alive_process(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_spawned_they_make_the_same_and_end_with_the_program(tiny_model, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "import numpy as np\n"
        "from trivet.embedding import Embedder, weights\n"
        "if __name__ == '__main__':\n"
        "    weights.ENOUGH_TOKENS = 1\n"
        "    e = Embedder.load(sys.argv[1], devices=['cpu', 'cpu'])\n"
        "    made = e.embed_documents(['an anchor', 'wind'] * 9)\n"
        "    np.save(sys.argv[2], made.dense.values)\n"
        "    print(*(w.process.pid for w in e.weights._processes._workers))\n"
    )
    run = subprocess.run(
        [sys.executable, str(script), str(tiny_model), str(tmp_path / "made.npy")],
        capture_output=True,
        text=True,
        timeout=600,  # against a hang: a busy machine takes minutes
        check=True,
    )
    pids = [int(pid) for pid in run.stdout.split()]
    assert len(pids) == 2
    assert not any(map(alive_process, pids))
    expected = Embedder.load(tiny_model).embed_documents(["an anchor", "wind"] * 9)
    np.testing.assert_allclose(np.load(tmp_path / "made.npy"), expected.dense.values, atol=1e-5)


def test_a_script_without_its_guard_is_told_so(tiny_model, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from trivet.embedding import Embedder, weights\n"
        "weights.ENOUGH_TOKENS = 1\n"
        "Embedder.load(sys.argv[1], devices=['cpu', 'cpu']).embed_documents(['a'])\n"
    )
    run = subprocess.run(
        [sys.executable, str(script), str(tiny_model)],
        capture_output=True,
        text=True,
        timeout=600,  # against a hang: a busy machine takes minutes
        check=False,
    )
    assert run.returncode == 1
    assert "DeathError: expected vectors from the process on cpu" in run.stderr
    assert 'if __name__ == "__main__":' in run.stderr


def test_the_death_of_a_process_at_work_is_an_error_and_never_a_wait(alone, shared, monkeypatch):
    shared.load_weights()
    usual = processes.wait

    def deadly(watched):  # each process is at its first piece of several
        monkeypatch.setattr(processes, "wait", usual)
        os.kill(workers(shared)[1].pid, signal.SIGKILL)
        return usual(watched)

    monkeypatch.setattr(processes, "wait", deadly)
    with pytest.raises(EmbeddingError, match=r"process on cpu, which ended with code -9"):
        shared.embed_documents(TEXTS * 20)
    assert workers(shared) == []
    assert_equal(shared.embed_documents(TEXTS), alone.embed_documents(TEXTS))


def test_an_interrupt_leaves_nothing_behind_for_the_next_call(alone, shared, monkeypatch):
    shared.load_weights()
    usual = processes.wait

    def interrupted(watched):
        raise KeyboardInterrupt

    monkeypatch.setattr(processes, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        shared.embed_documents(TEXTS[::-1])
    monkeypatch.setattr(processes, "wait", usual)
    assert_equal(shared.embed_documents(TEXTS), alone.embed_documents(TEXTS))


def test_a_process_that_died_between_two_calls_is_replaced_until_they_are_closed(alone, shared):
    shared.load_weights()
    before = [process.pid for process in workers(shared)]
    os.kill(before[1], signal.SIGKILL)
    workers(shared)[1].join(600)
    assert_equal(shared.embed_documents(TEXTS), alone.embed_documents(TEXTS))
    after = [process.pid for process in workers(shared)]
    assert set(before).isdisjoint(after)
    shared.close()
    assert workers(shared) == []
    assert not shared.is_loaded
    assert not any(map(alive_process, [*before, *after]))
    shared.close()


def test_a_failure_of_the_model_is_raised_and_the_processes_go_on(soon, checkpoint):
    # A window that is longer than the position table: the model fails on a long text only.
    folder = checkpoint(max_tokens=100)
    embedder = Embedder.load(folder, devices=TWO)
    try:
        expected = embedder.embed_documents(TEXTS)
        running = [process.pid for process in workers(embedder)]
        with pytest.raises(EmbeddingError, match="texts of up to 82 tokens"):
            embedder.embed_documents([*TEXTS, " ".join(["anchor"] * 80), *TEXTS])
        assert_equal(embedder.embed_documents(TEXTS), expected)
        assert [process.pid for process in workers(embedder)] == running
    finally:
        embedder.close()


def test_weights_that_cannot_be_loaded_are_an_error_of_the_checkpoint(soon, checkpoint):
    folder = checkpoint()
    (folder / "model.safetensors").write_bytes(b"no weights")
    embedder = Embedder.load(folder, devices=TWO)
    with pytest.raises(CheckpointError, match="expected a checkpoint that transformers"):
        embedder.embed_documents(TEXTS)
    assert workers(embedder) == []


def test_one_device_needs_no_process(tiny_model):
    embedder = Embedder.load(tiny_model, devices=["cpu"])
    assert embedder.weights._processes is None
    assert_equal(embedder.embed_documents(TEXTS), Embedder.load(tiny_model).embed_documents(TEXTS))
    embedder.close()
