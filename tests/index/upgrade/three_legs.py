"""How far tests take an upgrade of three legs, and what the legs hold."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest

import trivet
from trivet.index.upgrade import Upgrade

from .stages import stored

THREE = {"dense", "sparse", "multi"}


def model_names(index: trivet.Index) -> list[str]:
    return [space.vector_name for space in index.describe().spaces if not space.is_lexical]


def every_vector(index: trivet.Index, ids: list[str], names: list[str]) -> dict:
    return {
        (name, id): vectors for name in names for id, vectors in stored(index, ids, name).items()
    }


def answers(index: trivet.Index, queries: list[str]) -> list:
    return [
        [(hit.id, hit.score, dict(hit.scores)) for hit in hits]
        for hits in index.search_many(queries, k=5)
    ]


def assert_answers(index: trivet.Index, queries: list[str], expected: list) -> None:
    """As before; NumPy's products may have other last bits in other places of the memory."""
    for came, wanted in zip(answers(index, queries), expected, strict=True):
        assert [id for id, _, _ in came] == [id for id, _, _ in wanted]
        for (_, score, scores), (_, right, rights) in zip(came, wanted, strict=True):
            assert score == pytest.approx(right, abs=1e-6)
            assert scores == pytest.approx(rights, abs=1e-6)


def axes(index: trivet.Index, name: str) -> np.ndarray:
    """Principal axes of token vectors, as the index keeps them."""
    return np.load(io.BytesIO(index._store.journal.kept(name)), allow_pickle=False)


def bridge(upgrade: Upgrade) -> None:
    upgrade.cutover("query", force=True)


def translate(upgrade: Upgrade) -> None:
    upgrade.cutover("translate", force=True)


def half(upgrade: Upgrade) -> None:
    translate(upgrade)
    upgrade.migrate("id", progress=stop)


def whole(upgrade: Upgrade) -> None:
    translate(upgrade)
    upgrade.migrate()


def end(upgrade: Upgrade) -> None:
    whole(upgrade)
    upgrade.finish(grace=3600)


class StoppedError(Exception):
    """Ends a migration."""


def stop(done: int) -> None:
    raise StoppedError


def take(step: Callable[[Upgrade], None], upgrade: Upgrade) -> None:
    try:
        step(upgrade)
    except StoppedError:
        return
