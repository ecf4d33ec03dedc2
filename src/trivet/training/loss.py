"""The loss: a query finds its document, and neither moves far from the old model's vectors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn
from torch.nn import functional

from trivet.errors import TrainingError
from trivet.training.report import StepLoss
from trivet.training.settings import TrainingSettings


class DistilledContrastiveLoss(nn.Module):
    """InfoNCE plus the two distillation terms of query drift compensation (arXiv 2506.00037).

    Args:
        model: that is trained.
        settings: the temperature and the weights of the terms.
        teacher: for each column, queries first, the old model's unit vectors of every pair.

    Attributes:
        history: the terms of each step.
    """

    def __init__(
        self, model: SentenceTransformer, settings: TrainingSettings, teacher: tuple[Tensor, ...]
    ) -> None:
        super().__init__()
        self.model = model
        self.history: list[StepLoss] = []
        self._settings = settings
        self._teacher = teacher

    def forward(self, sentence_features: Iterable[dict[str, Any]], labels: Tensor) -> Tensor:
        """The loss of a batch.

        Args:
            sentence_features: of queries, positives and, of triplets, negatives.
            labels: (n,) the position of each pair among the teacher's vectors.

        Raises:
            TrainingError: it is not finite.
        """
        made = [
            functional.normalize(self.model(features)["sentence_embedding"].float(), dim=-1)
            for features in sentence_features
        ]
        queries, documents = made[0], torch.cat(made[1:])
        rows = labels.cpu()
        old = [column[rows].to(queries.device) for column in self._teacher]
        right = torch.arange(len(queries), device=queries.device)
        logits = queries @ documents.T / self._settings.temperature
        contrastive = functional.cross_entropy(logits, right)
        away_queries = _distance(queries, old[0])
        away_documents = _distance(documents, torch.cat(old[1:]))
        total = (
            contrastive
            + self._settings.query_weight * away_queries
            + self._settings.document_weight * away_documents
        )
        if not torch.isfinite(total):
            raise TrainingError(
                f"expected a loss that is finite, got {float(total.detach())} in step "
                f"{len(self.history) + 1}: lower the learning rate; no checkpoint was written"
            )
        terms = (total, contrastive, away_queries, away_documents)
        self.history.append(StepLoss(*(float(term.detach()) for term in terms)))
        return total


def _distance(new: Tensor, old: Tensor) -> Tensor:
    """Mean of 1 - cosine of unit rows."""
    return (1 - (new * old).sum(dim=-1)).mean()
