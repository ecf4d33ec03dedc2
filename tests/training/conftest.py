"""Pairs whose query is made of words of its document."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from checkpoints import WORDS

from trivet.training import TrainingPair, TrainingSettings


@pytest.fixture(scope="session")
def make_pairs() -> Callable[..., list[TrainingPair]]:
    def make(count: int = 90, *, negatives: bool = False, seed: int = 0) -> list[TrainingPair]:
        random = np.random.default_rng(seed)
        pairs = []
        for number in range(count):
            words = random.choice(WORDS, size=10)
            other = " ".join(random.choice(WORDS, size=10)) if negatives else None
            text = " ".join(words)
            pairs.append(TrainingPair(f"{number} " + " ".join(words[:3]), text, other))
        return pairs

    return make


@pytest.fixture(scope="session")
def quick() -> TrainingSettings:
    """Little to do, at a rate high enough to move a model of 32 dims."""
    return TrainingSettings(steps=6, batch_size=8, learning_rate=5e-3, max_tokens=16, dev_share=0.3)
