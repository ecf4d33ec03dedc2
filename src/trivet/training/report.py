"""What a training says of itself: its losses, and what was measured on held-out pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from trivet.training.settings import TrainingSettings

_SHOWN_STEPS = 10


@dataclass(frozen=True)
class StepLoss:
    """The loss of one step, and its three terms before they are weighted.

    Attributes:
        total: what was trained on.
        contrastive: InfoNCE over the documents of the batch.
        queries: mean of 1 - cos(new, old) over the queries.
        documents: the same over the documents.
    """

    total: float
    contrastive: float
    queries: float
    documents: float


@dataclass(frozen=True)
class HeldOut:
    """What was measured on pairs that share no query and no document with the trained ones.

    Attributes:
        queries: that were asked.
        documents: that were searched.
        old: nDCG@10 of the old model.
        new: of the new one on both sides: documents embedded anew.
        uncompensated: of new queries among old documents, as they are.
        compensated: of new queries among old documents, carried over by the drift map.
        query_cosine: mean cosine of a query by the new and by the old model.
        document_cosine: the same of a document.
    """

    queries: int
    documents: int
    old: float
    new: float
    uncompensated: float
    compensated: float
    query_cosine: float
    document_cosine: float


@dataclass(frozen=True)
class TrainingReport:
    """What was trained, how, and what came of it.

    Attributes:
        model: the old model.
        pairs: that were trained on; those that no batch was drawn from are not counted.
        settings: as they were given.
        losses: of every step.
        held_out: old against new.
        map_method: of the drift map.
        map_pairs: that it was fitted to.
        seconds: that all of it took.
        versions: of the packages that took part.
    """

    model: str
    pairs: int
    settings: TrainingSettings
    losses: tuple[StepLoss, ...]
    held_out: HeldOut
    map_method: str
    map_pairs: int
    seconds: float
    versions: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON object."""
        return asdict(self)

    def to_text(self) -> str:
        """The report for people."""
        held = self.held_out
        rows = [
            ("old model", held.old),
            ("new model, documents embedded anew", held.new),
            ("new queries, old documents", held.uncompensated),
            ("the same, with the drift map", held.compensated),
        ]
        lines = [
            f"{self.model}, fine-tuned on {self.pairs:,} pairs in {len(self.losses):,} steps "
            f"({self.seconds:,.0f} s)",
            "",
            f"nDCG@10 of {held.queries:,} held-out queries among {held.documents:,} documents:",
            *(f"  {value:.4f}  {name}" for name, value in rows),
            "",
            "mean cosine of new and old vectors, held out:",
            f"  {held.query_cosine:.4f}  queries",
            f"  {held.document_cosine:.4f}  documents",
            "",
            f"drift map: {self.map_method}, fitted to {self.map_pairs:,} queries",
            "",
            "loss (total = contrastive + weighted distances to the old model's vectors):",
            *_loss_lines(self.losses),
            "",
            "settings: " + ", ".join(f"{k}={v}" for k, v in asdict(self.settings).items()),
            "versions: " + ", ".join(f"{k} {v}" for k, v in self.versions.items()),
        ]
        return "\n".join(lines) + "\n"


def _loss_lines(losses: Sequence[StepLoss]) -> list[str]:
    """Means over up to ten stretches of the steps."""
    width = -(-len(losses) // _SHOWN_STEPS)
    lines = []
    for start in range(0, len(losses), width):
        part = losses[start : start + width]
        means = {
            name: sum(getattr(loss, name) for loss in part) / len(part)
            for name in ("total", "contrastive", "queries", "documents")
        }
        terms = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
        lines.append(f"  steps {start + 1}-{start + len(part)}: {terms}")
    return lines
