"""Drift maps between the spaces of two models: fitted, judged, applied, joined, kept."""

from trivet.drift.fitting import fit_low_rank, fit_mean_shift, fit_procrustes, fit_ridge
from trivet.drift.map import DriftMap, Provenance
from trivet.drift.pairs import Pairs

__all__ = [
    "DriftMap",
    "Pairs",
    "Provenance",
    "fit_low_rank",
    "fit_mean_shift",
    "fit_procrustes",
    "fit_ridge",
]
