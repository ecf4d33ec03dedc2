"""One fine-tuning from pairs to a folder: all of it is written, or nothing."""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trivet.drift import DriftMap
from trivet.embedding import Embedder
from trivet.errors import InvalidInputError, TrainingPairsError
from trivet.training.extra import require_extra
from trivet.training.measuring import fit_drift_map, measure
from trivet.training.pairs import (
    LEAST_GROUPS,
    TrainingPair,
    checked_pairs,
    columns_of,
    grouped,
    split,
    without_leak,
)
from trivet.training.report import StepLoss, TrainingReport
from trivet.training.settings import TrainingSettings

if TYPE_CHECKING:
    from trivet.embedding.checkpoint import CheckpointEmbedder
    from trivet.training.running import Watcher

# Beside the checkpoint's own files, which no reader of checkpoints looks into.
BESIDE = "training"
REPORT_FILE = "report.json"
TEXT_FILE = "report.txt"
_PACKAGES = ("trivet", "sentence-transformers", "transformers", "torch", "accelerate", "datasets")


@dataclass(frozen=True)
class FineTuned:
    """What came of a fine-tuning.

    Attributes:
        folder: the new checkpoint, as `trivet.open(model=...)` and sentence-transformers load it;
            its folder "training" holds the drift map and the report.
        drift: from the new model's queries to the old model's vectors.
        report: losses, held-out numbers, drift.
    """

    folder: Path
    drift: DriftMap
    report: TrainingReport


def fine_tune(
    model: str | os.PathLike[str] | Embedder,
    pairs: Iterable[TrainingPair],
    folder: str | os.PathLike[str],
    *,
    settings: TrainingSettings | None = None,
    dev: Iterable[TrainingPair] | None = None,
    progress: Watcher | None = None,
) -> FineTuned:
    """Train a model on pairs while its vectors are kept near those of the model that it was.

    Args:
        model: the old model: a name, a folder, or a checkpoint that is loaded whole.
        pairs: all with a negative, or all without.
        folder: for the new checkpoint; not there yet, or empty. It appears when all is done.
        settings: how to train; None = `TrainingSettings()`.
        dev: pairs to measure on; pairs that share a text with them are not trained on. None = a
            share of the pairs is held out.
        progress: called after each step, with its loss, its number and the number of steps.

    Raises:
        MissingExtraError: the packages of `trivet[train]` are not installed.
        TrainingPairsError: pairs that cannot be trained on, or too few of them.
        UntrainableModelError: a model that no checkpoint can be trained of.
        TrainingError: the loss is not finite; nothing is written.
        InvalidInputError: a folder with something in it.
        ModelNotFoundError, CheckpointError: as `Embedder.load`.
    """
    require_extra()
    chosen = TrainingSettings() if settings is None else settings
    place = _checked_folder(folder)
    trained, held = _divided(pairs, dev, chosen)
    # The door to sentence-transformers: seconds and hundreds of megabytes.
    from trivet.training.student import trainable

    old = trainable(model)
    with _appearing(place) as scratch:
        drift, report = _written(old, trained, held, chosen, scratch, place, progress)
    return FineTuned(place, drift, report)


def _written(
    old: CheckpointEmbedder,
    trained: Sequence[TrainingPair],
    held: Sequence[TrainingPair],
    settings: TrainingSettings,
    scratch: Path,
    place: Path,
    progress: Watcher | None,
) -> tuple[DriftMap, TrainingReport]:
    """Train, measure, and write all of it to `scratch`, which is to become `place`."""
    start = time.perf_counter()
    beside = scratch / BESIDE
    beside.mkdir()
    new, losses = _trained(old, trained, settings, scratch, progress)
    drift = fit_drift_map(old, new, trained, settings.seed)
    report = TrainingReport(
        model=old.name,
        pairs=len(trained),
        settings=settings,
        losses=losses,
        held_out=measure(old, new, drift, held),
        map_method=drift.method,
        map_pairs=drift.provenance.pairs,
        seconds=time.perf_counter() - start,
        versions=_versions(),
    )
    # The label of the model in the folder that it will be in; it is no part of a space.
    drift = replace(drift, source=replace(drift.source, model=str(place)))
    _keep(drift, report, beside)
    return drift, report


def _trained(
    old: CheckpointEmbedder,
    pairs: Sequence[TrainingPair],
    settings: TrainingSettings,
    scratch: Path,
    progress: Watcher | None,
) -> tuple[Embedder, tuple[StepLoss, ...]]:
    """The new model as it is read from `scratch`, and the losses of its training."""
    from trivet.training.running import train
    from trivet.training.student import (
        open_student,
        require_same,
        save_student,
        teach,
        wordings_of,
    )

    wordings = wordings_of(old)
    student = open_student(old, wordings)
    teacher = teach(old, list(columns_of(pairs).values()), settings.max_tokens)
    losses = train(student, pairs, teacher, settings, wordings, scratch / BESIDE, progress)
    save_student(student, scratch)
    new = Embedder.load(scratch, modes=["dense"])
    require_same(new, student, wordings)
    return new, losses


def _keep(drift: DriftMap, report: TrainingReport, folder: Path) -> None:
    drift.save(folder)
    (folder / REPORT_FILE).write_text(json.dumps(report.to_json(), indent=1), "utf-8")
    (folder / TEXT_FILE).write_text(report.to_text(), "utf-8")


def _divided(
    pairs: Iterable[TrainingPair], dev: Iterable[TrainingPair] | None, settings: TrainingSettings
) -> tuple[tuple[TrainingPair, ...], tuple[TrainingPair, ...]]:
    """The pairs that batches are drawn from, and those held out."""
    came = checked_pairs(pairs)
    if dev is None:
        trained, held = split(came, settings.dev_share, settings.seed)
    else:
        held = checked_pairs(dev)
        trained = without_leak(came, held)
    drawn = _drawn(trained, settings)
    least = max(settings.batch_size, LEAST_GROUPS)
    groups = len(set(grouped(drawn)))
    if groups < least:
        raise TrainingPairsError(
            f"expected at least {least} pairs without a text in common beside the held-out ones, "
            f"for batches of {settings.batch_size}, got {groups}: add pairs, lower the batch size, "
            "or take more steps"
        )
    return drawn, held


def _drawn(pairs: Sequence[TrainingPair], settings: TrainingSettings) -> tuple[TrainingPair, ...]:
    """As many pairs as there is place for in all batches: the old model reads no others."""
    wanted = settings.steps_of(len(pairs)) * settings.batch_size
    wanted = max(wanted, LEAST_GROUPS)
    order = np.random.default_rng(settings.seed).permutation(len(pairs))[:wanted]
    return tuple(pairs[i] for i in order)


def _checked_folder(folder: str | os.PathLike[str]) -> Path:
    place = Path(folder).expanduser().absolute()
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise InvalidInputError(
            f"expected a folder that is not there yet, or is empty, got {place}: name another"
        )
    return place


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A folder to write to, which takes its name when all of it is written."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield scratch
        scratch.chmod(0o755)  # as any folder: `mkdtemp` makes private ones
        if folder.exists():
            folder.rmdir()
        scratch.rename(folder)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}
