"""Killed after anything that a step of an upgrade does, the index answers, and the step resumes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from indexes import copy_index

import trivet

from .killer import Killer
from .stages import found, state, stored, verified

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")

MOST = 40


@pytest.fixture(scope="module")
def few(texts: dict[str, str]) -> dict[str, str]:
    """As many as an upgrade needs; how often a step can die does not depend on their number."""
    return dict(list(texts.items())[:60])


@pytest.fixture(scope="module")
def stages(
    tiny_model: Path,
    drifted_model: Path,
    few: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    """Folders with an index of three legs before the change over, and after it."""
    folders = {}
    for name in ("verified", "translated"):
        folders[name] = tmp_path_factory.mktemp("stages") / name
        with trivet.open(folders[name], model=tiny_model) as index:
            index.add(list(few.values()), ids=list(few), on_error="raise")
            upgrade = verified(index, drifted_model)
            if name == "translated":
                upgrade.cutover("translate", force=True)  # sixty texts are few to be sure by
    return folders


def model_names(index: trivet.Index) -> list[str]:
    """The names of the dense and the token vectors."""
    return [space.vector_name for space in index.describe().spaces if not space.is_lexical]


def old_vectors(
    index: trivet.Index, texts: dict[str, str], names: list[str]
) -> dict[tuple[str, str], np.ndarray]:
    """The vectors of these names, by name and document."""
    return {
        (name, id): vectors
        for name in names
        for id, vectors in stored(index, list(texts), name).items()
    }


def answers(index: trivet.Index, query: str) -> list[tuple[str, dict[str, float]]]:
    """Hits of all legs, each with what every leg gave."""
    return [(hit.id, dict(hit.scores)) for hit in index.search(query, k=5)]


def assert_same(
    came: list[tuple[str, dict[str, float]]], expected: list[tuple[str, dict[str, float]]]
) -> None:
    """The same answers; the engine's sums may have other last bits."""
    assert [id for id, _ in came] == [id for id, _ in expected]
    for (_, here), (_, there) in zip(came, expected, strict=True):
        assert here == pytest.approx(there, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "step"),
    [("verified", "translate"), ("translated", "migrate"), ("translated", "rollback")],
)
def test_a_step_that_was_killed_is_taken_again(
    before: str,
    step: str,
    stages: dict[str, Path],
    killer: Killer,
    few: dict[str, str],
    tmp_path: Path,
) -> None:
    with trivet.open(stages["verified"]) as index:
        names = model_names(index)
        old = old_vectors(index, few, names)
        hits = answers(index, few["d7"])
        assert len(old) == 2 * len(few)
    kills = 0
    for count in range(1, MOST):
        folder = tmp_path / str(count)
        copy_index(stages[before], folder)
        if not killer.kill(folder, step, count):
            break
        kills += 1
        with trivet.open(folder) as index:
            assert found(index, few["d7"], k=1) == ["d7"]
            assert index.verify().is_clean
            _resume(index, step)
            assert index.verify().is_clean
            if index.current_upgrade is not None:
                index.current_upgrade.rollback()
            after = old_vectors(index, few, names)
            assert all(np.array_equal(old[id], after[id]) for id in old)
            assert_same(answers(index, few["d7"]), hits)
        shutil.rmtree(folder)
    assert kills >= 3


def _resume(index: trivet.Index, step: str) -> None:
    upgrade = index.current_upgrade
    if step == "rollback":
        # Either it was as good as done, and opening completed it, or nothing had happened yet.
        assert state(index) in (None, "translated")
    elif step == "translate":
        assert upgrade is not None
        if state(index) != "translated":
            upgrade.cutover("translate", force=True)
        assert state(index) == "translated"
    else:
        assert upgrade is not None
        upgrade.migrate()
        assert upgrade.status().native == upgrade.status().documents


def test_an_end_that_was_killed_is_completed_by_the_next_opening(
    stages: dict[str, Path], killer: Killer, few: dict[str, str], tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    copy_index(stages["translated"], ready)
    with trivet.open(ready) as index:
        assert index.current_upgrade is not None
        index.current_upgrade.migrate()
        hits = answers(index, few["d7"])
        assert {mode for _, scores in hits for mode in scores} == {"dense", "sparse", "multi"}
        new_names = model_names(index)
    for count in range(1, MOST):
        folder = tmp_path / str(count)
        copy_index(ready, folder)
        was_killed = killer.kill(folder, "finish", count)
        with trivet.open(folder) as index:
            assert index.current_upgrade is None
            assert model_names(index) == new_names
            assert_same(answers(index, few["d7"]), hits)
            assert index.verify().is_clean
        shutil.rmtree(folder)
        if not was_killed:
            break
    assert count > 3
