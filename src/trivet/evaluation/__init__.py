"""Judges an index on queries whose relevant documents are known."""

from trivet.evaluation.evaluate import METRICS, evaluate
from trivet.evaluation.judgements import read_qrels, read_queries
from trivet.evaluation.results import Estimate, Evaluation, Left, PlanResult

__all__ = [
    "METRICS",
    "Estimate",
    "Evaluation",
    "Left",
    "PlanResult",
    "evaluate",
    "read_qrels",
    "read_queries",
]
