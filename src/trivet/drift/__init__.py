"""Drift maps between the spaces of two models: fitted, judged, applied, joined, kept."""

from trivet.drift.map import DriftMap, Provenance

__all__ = ["DriftMap", "Provenance"]
