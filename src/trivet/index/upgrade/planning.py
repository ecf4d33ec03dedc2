"""What an upgrade would cost, and which aim and mode suit it."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from trivet.drift.choosing import Aim
from trivet.drift.gates import LEAST_DRIFT_OVERLAP
from trivet.drift.measures import Exam, K
from trivet.embedding import Embedder
from trivet.index.titles import count_titled
from trivet.index.tokens import is_compact
from trivet.index.upgrade.migrating import embed_legs
from trivet.index.upgrade.sampling import draw_sample
from trivet.index.upgrade.texts import TextResolver
from trivet.index.upgrade.values import UpgradeMode, UpgradePlan
from trivet.store.store import Store
from trivet.types import Mode, Representations, Space

# Chunks that are embedded to learn what all of them would cost.
PROBED = 200
FLOAT_BYTES = 4


def plan_upgrade(
    store: Store,
    new: Embedder,
    spaces: Mapping[Mode, Space],
    *,
    seed: int = 0,
    resolver: TextResolver | None = None,
) -> UpgradePlan:
    """Probe a newer model on a few chunks of an index.

    Args:
        store: of the index.
        new: the newer model, with the legs that the index would have of it.
        spaces: in which these would be stored.
        seed: of the draw.
        resolver: knows the texts that the index does not hold.

    Raises:
        PairsError: an index without documents.
        ModelError: the model failed.
    """
    sample = draw_sample(store, PROBED, seed, resolver)
    embed_legs(new, sample.chunks[:1])  # so that the loading of weights is not counted
    start = time.perf_counter()
    made = embed_legs(new, sample.chunks)
    seconds = time.perf_counter() - start
    assert made.dense is not None  # every upgrade has a dense leg
    native = made.dense.values
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
        size_bytes=totals.chunks * native.shape[1] * FLOAT_BYTES
        + round(share * _token_bytes(made, spaces)),
        overlap=overlap,
        aim=aim,
        mode=mode,
    )


def _token_bytes(made: Representations, spaces: Mapping[Mode, Space]) -> int:
    """Bytes of token vectors as they would be stored; 0 without such a leg."""
    if made.multi is None or "multi" not in spaces:
        return 0
    space = spaces["multi"]
    size = 1 if is_compact(space) else FLOAT_BYTES
    return sum(map(len, made.multi.values)) * (space.dims or 0) * size
