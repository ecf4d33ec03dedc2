"""`trivet finetune`: a training from a shell, with its progress on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from trivet.cli import render
from trivet.cli.progress import LINE_EVERY_S
from trivet.training import StepLoss, TrainingSettings, fine_tune, read_pairs


def fine_tune_model(
    model: str,
    pairs: Path,
    folder: Path,
    dev: Path | None,
    settings: TrainingSettings,
    *,
    as_json: bool,
) -> int:
    """Train a model and print what came of it; the exit code is 130 after Ctrl-C, else 0.

    Args:
        model: name or folder of the old model.
        pairs: file to train on.
        folder: for the new model.
        dev: file to measure on; None = a share of the pairs.
        settings: how to train.
        as_json: print the report as one object.

    Raises:
        TrivetError: as `fine_tune` and `read_pairs`.
    """
    came = read_pairs(pairs)
    held = None if dev is None else read_pairs(dev)
    try:
        with _watched() as watcher:
            made = fine_tune(model, came, folder, settings=settings, dev=held, progress=watcher)
    except KeyboardInterrupt:
        render.complain("stopped; nothing was written")
        return 130
    if as_json:
        fields = {"folder": str(made.folder), **made.report.to_json()}
        sys.stdout.write(json.dumps(fields, indent=2) + "\n")
    else:
        sys.stdout.write(made.report.to_text())
        render.remarks().print(f"\nthe new model: {made.folder}", soft_wrap=True)
    return 0


@contextmanager
def _watched() -> Iterator[Callable[[StepLoss, int, int], None]]:
    """Show a training on stderr while the body runs."""
    console = render.remarks()
    if not console.is_interactive:
        yield _lines()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[line]}", style="dim"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Reading pairs by the old model", total=None, line="")

        def show(loss: StepLoss, step: int, steps: int) -> None:
            done = "Measuring" if step == steps else "Training"
            line = f"loss {loss.total:.4f}"
            bar.update(task, description=done, completed=step, total=steps, line=line)

        yield show


def _lines() -> Callable[[StepLoss, int, int], None]:
    """A watcher that prints a plain line every few seconds."""
    printed_s = time.monotonic()

    def show(loss: StepLoss, step: int, steps: int) -> None:
        nonlocal printed_s
        if time.monotonic() - printed_s >= LINE_EVERY_S:
            printed_s = time.monotonic()
            line = f"step {step:,} of {steps:,}  loss {loss.total:.4f}"
            render.remarks().print(line, soft_wrap=True)

    return show
