"""What an upgrade would cost, and which aim and mode suit it."""

from __future__ import annotations

import time

import numpy as np

from trivet.drift.choosing import Aim
from trivet.drift.gates import LEAST_DRIFT_OVERLAP
from trivet.drift.measures import Exam, K
from trivet.embedding import Embedder
from trivet.index.titles import count_titled
from trivet.index.upgrade.sampling import draw_sample, embed_chunks
from trivet.index.upgrade.texts import TextResolver
from trivet.index.upgrade.values import UpgradeMode, UpgradePlan
from trivet.store.store import Store

# Chunks that are embedded to learn what all of them would cost.
PROBED = 200
FLOAT_BYTES = 4


def plan_upgrade(
    store: Store, new: Embedder, *, seed: int = 0, resolver: TextResolver | None = None
) -> UpgradePlan:
    """Probe a newer model on a few chunks of an index.

    Raises:
        PairsError: an index without documents.
        ModelError: the model failed.
    """
    sample = draw_sample(store, PROBED, seed, resolver)
    embed_chunks(new, sample.chunks[:1])  # so that the loading of weights is not counted
    start = time.perf_counter()
    native = embed_chunks(new, sample.chunks)
    seconds = time.perf_counter() - start
    counted = count_titled(new, [(chunk.title, chunk.text) for chunk in sample.chunks])
    totals = store.journal.totals()
    share = totals.chunks / len(sample.chunks)
    overlap = None
    if native.shape == sample.stored.shape and len(set(sample.keys)) > K:
        exam = Exam(sample.keys)
        came, right = native @ sample.stored.T, sample.stored @ sample.stored.T
        overlap = float(exam.overlap(came, right, sample.keys).mean())
    aim: Aim = "keep" if overlap is not None and overlap >= LEAST_DRIFT_OVERLAP else "gain"
    mode: UpgradeMode = "query" if aim == "keep" else "translate"
    return UpgradePlan(
        documents=totals.documents,
        chunks=totals.chunks,
        tokens=round(float(np.sum(counted)) * share),
        seconds=seconds * share,
        size_bytes=totals.chunks * native.shape[1] * FLOAT_BYTES,
        overlap=overlap,
        aim=aim,
        mode=mode,
    )
