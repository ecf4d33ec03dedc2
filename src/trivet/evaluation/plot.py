"""A picture of an evaluation: what each plan reached, and how far that is from the default."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from trivet.errors import InvalidInputError
from trivet.evaluation.extra import of_extra
from trivet.evaluation.results import Estimate, Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".png", ".svg")
ROW_INCHES = 0.34
# Of the palette of Okabe and Ito, which colour-blind people can tell apart.
DEFAULT, SAME, BETTER, WORSE = "#0072B2", "#888888", "#009E73", "#D55E00"


def checked_picture(path: str | os.PathLike[str]) -> Path:
    """A path that a picture can be written to.

    Raises:
        InvalidInputError: neither .png nor .svg, or in a folder that is not there.
    """
    file = Path(path)
    if file.suffix.lower() not in SUFFIXES:
        raise InvalidInputError(
            f"expected a picture that ends in {' or '.join(SUFFIXES)}, got {file.name!r}"
        )
    if not file.parent.is_dir():
        raise InvalidInputError(f"expected a folder for the picture, got none in {file.parent}")
    return file


def plot(evaluation: Evaluation, path: str | os.PathLike[str]) -> None:
    """Draw the first metric of every plan, with its 95 % intervals, to a PNG or SVG file.

    Args:
        evaluation: what `evaluate` found.
        path: of the picture, .png or .svg; replaced if it is there.

    Raises:
        InvalidInputError: another suffix, or a folder that is not there.
        MissingExtraError: the extra `eval` is not installed.
    """
    file = checked_picture(path)
    # No pyplot: it would choose a window system, and keep every figure.
    of_extra("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    metric = evaluation.metrics[0]
    plans = sorted(evaluation.plans, key=lambda plan: plan.means[metric].mean)
    names = [plan.name for plan in plans]
    gains = [plan.gains[metric] for plan in plans]
    colours = [_colour(name, gain, evaluation) for name, gain in zip(names, gains, strict=True)]
    figure = Figure(figsize=(9, 1.4 + ROW_INCHES * len(plans)), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    _intervals(left, [plan.means[metric] for plan in plans], colours)
    left.set_yticks(range(len(names)), names)
    left.set_xlabel(metric)
    _intervals(right, gains, colours)
    right.axvline(0, color=DEFAULT, linewidth=1, zorder=0)
    right.set_xlabel(f"{metric}, difference to {evaluation.default}")
    figure.suptitle(
        f"{len(evaluation.queries):,} judged queries; means and 95 % intervals (paired bootstrap)",
        fontsize=10,
    )
    figure.savefig(file, dpi=150)


def _colour(name: str, gain: Estimate, evaluation: Evaluation) -> str:
    if name == evaluation.default:
        return DEFAULT
    if gain.low > 0:
        return BETTER
    return WORSE if gain.high < 0 else SAME


def _intervals(axes: Axes, estimates: list[Estimate], colours: list[str]) -> None:
    for row, (estimate, colour) in enumerate(zip(estimates, colours, strict=True)):
        axes.plot([estimate.low, estimate.high], [row, row], color=colour, linewidth=2)
        axes.plot([estimate.mean], [row], "o", color=colour, markersize=6)
    axes.grid(axis="x", linewidth=0.4, alpha=0.5)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
