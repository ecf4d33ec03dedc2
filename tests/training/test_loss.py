"""The loss and the measure, against computations of their own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from trivet.errors import TrainingError
from trivet.training import TrainingSettings
from trivet.training.loss import DistilledContrastiveLoss
from trivet.training.measuring import ndcg


class Given(nn.Module):
    """A model whose vectors are handed in."""

    def forward(self, features):
        return features


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def features(*columns):
    return [{"sentence_embedding": torch.from_numpy(rows)} for rows in columns]


@pytest.mark.parametrize("columns", [2, 3])
def test_the_loss_is_infonce_and_two_weighted_distances(columns):
    random = np.random.default_rng(columns)
    n, d, pool = 6, 16, 20
    made = [random.standard_normal((n, d)).astype(np.float32) for _ in range(columns)]
    old = [unit(random.standard_normal((pool, d))).astype(np.float32) for _ in range(columns)]
    rows = random.permutation(pool)[:n]
    settings = TrainingSettings(temperature=0.07, query_weight=0.3, document_weight=1.7)
    loss = DistilledContrastiveLoss(Given(), settings, tuple(map(torch.from_numpy, old)))
    came = loss(features(*made), torch.from_numpy(rows))

    queries, documents = unit(made[0]), np.concatenate([unit(part) for part in made[1:]])
    contrastive = 0.0
    for i in range(n):
        scores = [float(queries[i] @ document) / 0.07 for document in documents]
        contrastive += (np.log(np.sum(np.exp(scores))) - scores[i]) / n
    away_q = np.mean([1 - queries[i] @ old[0][rows[i]] for i in range(n)])
    taught = np.concatenate([part[rows] for part in old[1:]])
    away_d = np.mean([1 - a @ b for a, b in zip(documents, taught, strict=True)])
    expected = contrastive + 0.3 * away_q + 1.7 * away_d
    assert float(came) == pytest.approx(expected, abs=1e-5)
    [step] = loss.history
    assert step.contrastive == pytest.approx(contrastive, abs=1e-5)
    assert (step.queries, step.documents) == pytest.approx((away_q, away_d), abs=1e-5)


def test_a_loss_that_is_no_number_ends_the_training():
    rows = np.full((3, 4), np.nan, dtype=np.float32)
    old = torch.eye(4)[:3]
    loss = DistilledContrastiveLoss(Given(), TrainingSettings(), (old, old))
    with pytest.raises(TrainingError, match="got nan in step 1"):
        loss(features(rows, rows), torch.arange(3))
    assert loss.history == []


def test_ndcg_counts_every_relevant_document():
    scores = np.zeros((3, 30), dtype=np.float32)
    scores[0, [4, 7, 9]] = [3, 2, 1]
    scores[1, :11] = np.arange(11, 0, -1)
    scores[2, 5] = 1
    relevant = [frozenset({4, 9}), frozenset({10}), frozenset({5})]
    best = 1 + 1 / np.log2(3)
    expected = ((1 + 1 / np.log2(4)) / best + 0 + 1) / 3
    assert ndcg(scores, relevant) == pytest.approx(expected, abs=1e-9)
