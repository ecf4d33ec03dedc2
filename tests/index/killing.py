"""Children that write to an index until they are killed: `python killing.py FOLDER`.

Loads everything once, then makes a child for each line on stdin, "SEED JOB" (forked: a start takes
milliseconds). Prints the child's id, and "gone" when it is. A child writes what it begins and what
it has done to FOLDER.log.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from indexes import DENSE

import trivet
from trivet.errors import DocumentExistsError
from trivet.index.documents import checked_documents
from trivet.index.ingest import Ingest
from trivet.index.vectors import CutDocument, with_bm25
from trivet.types import DenseVectors, Document, Representations

POOL = [f"document {n}" for n in range(40)]
STEPS = 400
PIECE = 60
# Steps beside one optimizing or backup: neither leaves the other behind, whatever the machine is at.
BESIDE = 5


class Pieces:
    """Cuts texts every 60 characters, and points each piece in a direction of its own."""

    are_given = False

    def __init__(self, store):
        self._store = store

    def cut(self, documents):
        return [
            CutDocument(
                d, tuple((i, min(i + PIECE, len(d.text))) for i in range(0, len(d.text), PIECE))
            )
            for d in documents
        ]

    def embed(self, documents):
        dense = [
            Representations(DenseVectors(DENSE, rows([text for _, text in cut.titled_texts])))
            for cut in documents
        ]
        return with_bm25(self._store.manifest.lexical, documents, dense)


def rows(texts):
    digests = [hashlib.sha256(text.encode()).digest()[:8] for text in texts]
    return np.array([[byte - 127.5 for byte in digest] for digest in digests], dtype=np.float32)


def steps(seed):
    """What a child does: (verb, ids, texts), the same for each seed."""
    draw = random.Random(seed)
    for n in range(STEPS):
        verb = draw.choice(["add", "upsert", "upsert", "delete"])
        ids = draw.sample(POOL, draw.randint(1, 8))
        texts = [" ".join([f"{seed} {n} {id} anchor"] * draw.choice([1, 1, 4, 12])) for id in ids]
        yield verb, ids, texts


def do(index, verb, ids, texts):
    if verb == "delete":
        index.delete(ids)
        return
    documents = [
        Document(t, i, metadata={"length": len(t)}) for i, t in zip(ids, texts, strict=True)
    ]
    ingest = Ingest(
        index._store,
        source=Pieces(index._store),
        replace_existing=verb == "upsert",
        raise_errors=False,
        batch_chunks=4096,
        progress=None,
        expected=None,
    )
    report = ingest.run(checked_documents(documents, None, None))
    # Added under an id that is taken: the one failure that is meant.
    wrong = [f for f in report.failed if not isinstance(f.error, DocumentExistsError)]
    if wrong:
        raise AssertionError(wrong)


def work(folder, seed, job):
    if job == "repair":
        trivet.repair(folder)
        return
    log = os.open(f"{folder}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    index = trivet.open(folder)
    upkeep = {
        "backup": lambda n: index.backup(f"{folder}.backup-{seed}-{n}"),
        "optimize": lambda _: index.optimize(force=True),
    }.get(job)
    done = threading.Semaphore(0)
    if upkeep is not None:
        threading.Thread(target=keep_up, args=(upkeep, done), daemon=True).start()
    for n, step in enumerate(steps(seed)):
        os.write(log, f"begin {seed} {n}\n".encode())
        do(index, *step)
        os.write(log, f"end {seed} {n}\n".encode())
        if upkeep is not None and n % BESIDE == BESIDE - 1:
            done.acquire()


def keep_up(upkeep, done):
    """Keep an index up again and again, beside the steps, and tell each time that it is done."""
    for n in itertools.count():
        upkeep(n)
        done.release()


def tell(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(folder):
    for line in sys.stdin:
        seed, job = line.split()
        child = os.fork()
        if child == 0:
            work(folder, int(seed), job)
            os._exit(0)
        tell(str(child))
        os.waitpid(child, 0)
        tell("gone")


if __name__ == "__main__":
    main(sys.argv[1])
