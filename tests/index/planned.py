"""Texts that tests of plans search, and their scores in order."""

from __future__ import annotations

import numpy as np

import trivet

TEXTS = [
    "a kedge is a light anchor", "the anchor holds the boat in the storm",
    "sails drive the boat with the wind", "bread and milk are food",
    "the wind is strong in winter", "a heavy anchor and a light anchor and a chain",
    "the harbour is calm and the boats are old", "a horse eats grass and sugar",
    "the tide moves the boat to the harbour", "stars show the way at night",
]  # fmt: skip
QUERIES = ["light anchor", "the strong wind of winter", "what do horses eat"]
IDS = [f"d{position}" for position in range(len(TEXTS))]


def ranked(scores: np.ndarray, k: int = len(TEXTS)) -> dict[str, float]:
    order = np.argsort(-scores, kind="stable")[:k]
    return {IDS[i]: float(scores[i]) for i in order}


def got(hits: list[trivet.Hit]) -> dict[str, float]:
    return {hit.id: hit.score for hit in hits}
