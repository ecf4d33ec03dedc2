"""The command `trivet finetune` and its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trivet.training.settings import TrainingSettings

_USUAL = TrainingSettings()
PairsFile = Annotated[
    Path,
    typer.Option(
        "--pairs",
        metavar="FILE",
        exists=True,
        help='JSONL: {"query": …, "positive": …}, maybe "negative".',
    ),
]


def finetune_command(
    model: Annotated[str, typer.Option(metavar="NAME", help="The model: a name or a folder.")],
    pairs: PairsFile,
    out: Annotated[Path, typer.Option(metavar="DIR", help="For the new model: new, or empty.")],
    dev: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, help="Pairs to measure on. [a tenth of PAIRS]"),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Batches. [200]", show_default=False)] = None,
    epochs: Annotated[int | None, typer.Option(help="Rounds, in place of steps.")] = None,
    batch_size: Annotated[int, typer.Option(help="Pairs of a batch.")] = _USUAL.batch_size,
    learning_rate: Annotated[float, typer.Option(help="At its highest.")] = _USUAL.learning_rate,
    warmup: Annotated[float, typer.Option(help="Share of steps in which it rises.")] = (
        _USUAL.warmup
    ),
    temperature: Annotated[float, typer.Option(help="Of the contrastive loss.")] = (
        _USUAL.temperature
    ),
    distill: Annotated[
        float, typer.Option(metavar="W", help="Weight of staying near the old vectors; 0 = off.")
    ] = _USUAL.query_weight,
    max_tokens: Annotated[int, typer.Option(help="Read of a text while training.")] = (
        _USUAL.max_tokens
    ),
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = _USUAL.seed,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Train a model on your own pairs, and keep its vectors near those of your index.

    DIR becomes a checkpoint for `trivet upgrade plan --to DIR`; its folder "training" holds the
    drift map from the new model to the old one, and the report. Needs the extra `trivet[train]`.
    """
    from trivet.cli.finetuning import fine_tune_model

    settings = TrainingSettings(
        steps=steps,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        warmup=warmup,
        temperature=temperature,
        query_weight=distill,
        document_weight=distill,
        max_tokens=max_tokens,
        seed=seed,
    )
    raise typer.Exit(fine_tune_model(model, pairs, out, dev, settings, as_json=as_json))
