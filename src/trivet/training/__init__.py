"""Drift-aware fine-tuning: a new checkpoint near the old one, and the map between the two."""

from trivet.training.finetuning import FineTuned, fine_tune
from trivet.training.pairs import TrainingPair, read_pairs
from trivet.training.report import HeldOut, StepLoss, TrainingReport
from trivet.training.settings import TrainingSettings

__all__ = [
    "FineTuned",
    "HeldOut",
    "StepLoss",
    "TrainingPair",
    "TrainingReport",
    "TrainingSettings",
    "fine_tune",
    "read_pairs",
]
