"""The methods by which a drift map is fitted to pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from trivet.drift import closed_forms
from trivet.drift.affine import Affine
from trivet.drift.closed_forms import RidgeSystem, mean_cosine
from trivet.drift.map import DriftMap
from trivet.drift.pairs import LEAST_PAIRS, Pairs, require_disjoint, require_pairs
from trivet.errors import DriftError, PairsError, UnmappableSpaceError
from trivet.types import Fact, Vectors

PRIORS = ("identity", "procrustes", "zero")
# From "the pairs alone" to "the prior with a mean shift".
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
RANK = 64
# Where stored vectors lie close together, 2 to 4 was best of static, cut and fine-tuned MiniLMs;
# elsewhere 1 (benchmarks/drift.py).
STRETCHES = (0.7, 1.0, 1.4, 2.0, 2.8, 4.0)


def fit_identity(pairs: Pairs) -> DriftMap:
    """No compensation at all: what a method must not fall below.

    Raises:
        UnmappableSpaceError: unequal dims.
    """
    _require_same_dims(pairs, "identity")
    step = Affine((), np.zeros(pairs.dims[1], dtype=np.float32))
    return _mapped(pairs, "identity", {}, step)


def fit_mean_shift(pairs: Pairs) -> DriftMap:
    """Query drift compensation as published: subtract the mean of new - old.

    Args:
        pairs: to fit to.

    Raises:
        UnmappableSpaceError: unequal dims.
        PairsError: too few pairs.
    """
    _require_same_dims(pairs, "mean_shift")
    require_pairs(pairs, LEAST_PAIRS, "mean_shift")
    step = closed_forms.mean_shift(pairs.before, pairs.after)
    return _mapped(pairs, "mean_shift", {}, step)


def fit_procrustes(pairs: Pairs, *, centred: bool = False, scaled: bool = False) -> DriftMap:
    """The best rotation, of unequal dims the best partial isometry.

    Args:
        pairs: to fit to.
        centred: rotate about the means.
        scaled: also scale; of no effect on directions unless centred.

    Raises:
        PairsError: fewer pairs than dims: directions that no pair shows would be turned anyhow.
    """
    require_pairs(pairs, least_of_rotation(pairs), "procrustes")
    step = closed_forms.procrustes(pairs.before, pairs.after, centred=centred, scaled=scaled)
    return _mapped(pairs, "procrustes", {"centred": centred, "scaled": scaled}, step)


def fit_stretched(
    pairs: Pairs, queries: Vectors, *, stretches: Sequence[float] = STRETCHES
) -> tuple[DriftMap, ...]:
    """Rotations for queries, one for each stretch: their mean comes to that of stored vectors.

    Short texts do not lie where documents do. And the scale of least error draws what cannot be
    predicted towards the mean: then the documents there are found by every query.

    Args:
        pairs: documents, to fit the rotation to.
        queries: (m, d) vectors of short texts, in the source space.
        stretches: above 0; 1 = documents spread as the stored vectors do.

    Raises:
        PairsError: fewer pairs than dims, or no queries of the source's dims.
        DriftError: a stretch that is no number above 0.
    """
    require_pairs(pairs, least_of_rotation(pairs), "procrustes")
    if queries.ndim != 2 or not len(queries) or queries.shape[1] != pairs.dims[0]:
        raise PairsError(f"expected (m, {pairs.dims[0]}) queries, got {queries.shape}")
    if not stretches or not all(np.isfinite(s) and s > 0 for s in stretches):
        raise DriftError(f"expected stretches above 0, got {list(stretches)!r}")
    centre = queries.mean(axis=0, dtype=np.float64)
    steps = closed_forms.stretched(pairs.before, pairs.after, centre, stretches)
    return tuple(
        _mapped(pairs, "procrustes", {"centred": "queries", "stretch": stretch}, step)
        for stretch, step in zip(stretches, steps, strict=True)
    )


def fit_ridge(
    pairs: Pairs,
    held: Pairs | None = None,
    *,
    priors: Sequence[str] | None = None,
    strengths: Sequence[float] = STRENGTHS,
) -> DriftMap:
    """The affine map of least squares that is drawn towards a prior.

    Prior and strength are those with the highest mean cosine on the held-out pairs.

    Args:
        pairs: to fit to.
        held: other pairs; may be None where there is one prior and one strength.
        priors: out of identity (equal dims), procrustes (as many pairs as dims) and zero; None =
            all that these pairs allow.
        strengths: above 0, in units of the mean variance of a direction.

    Raises:
        PairsError: too few pairs, or held-out pairs of documents that are fitted to.
        DriftError: no such prior, a strength that is no number above 0, or a choice without
            held-out pairs.
    """
    require_pairs(pairs, LEAST_PAIRS, "ridge")
    chosen = _allowed_priors(pairs) if priors is None else tuple(priors)
    _require_choice(pairs, held, chosen, strengths)
    system = RidgeSystem.of(pairs.before, pairs.after)
    best: tuple[float, str, float, Affine] | None = None
    for name in chosen:
        prior = system.prior(name)
        for strength in strengths:
            step = system.affine(system.solved(prior, strength))
            cosine = 0.0 if held is None else mean_cosine(step, held.before, held.after)
            if best is None or cosine > best[0]:
                best = cosine, name, strength, step
    assert best is not None  # there is a prior and a strength
    _, name, strength, step = best
    return _mapped(pairs, "ridge", {"prior": name, "strength": strength}, step)


def fit_low_rank(
    pairs: Pairs,
    held: Pairs | None = None,
    *,
    rank: int = RANK,
    strengths: Sequence[float] = STRENGTHS,
) -> DriftMap:
    """A small map: a plain ridge on the main axes of what it predicts.

    Args:
        pairs: to fit to.
        held: as in `fit_ridge`.
        rank: numbers that a vector passes through.
        strengths: as in `fit_ridge`.

    Raises:
        PairsError: fewer pairs than dims.
        DriftError: a rank beyond the dims, or as `fit_ridge`.
    """
    most = min(pairs.dims)
    if not 1 <= rank <= most:
        raise DriftError(f"expected a rank between 1 and {most}, got {rank!r}")
    require_pairs(pairs, pairs.dims[0], "low_rank")
    _require_choice(pairs, held, ("zero",), strengths)
    system = RidgeSystem.of(pairs.before, pairs.after)
    prior = system.prior("zero")
    steps = [system.low_rank(system.solved(prior, strength), rank) for strength in strengths]
    cosines = [0.0 if held is None else mean_cosine(s, held.before, held.after) for s in steps]
    best = int(np.argmax(cosines))
    return _mapped(pairs, "low_rank", {"rank": rank, "strength": strengths[best]}, steps[best])


def least_of_rotation(pairs: Pairs) -> int:
    """The fewest pairs that show every direction of both spaces."""
    return max(LEAST_PAIRS, *pairs.dims)


def _allowed_priors(pairs: Pairs) -> tuple[str, ...]:
    allowed = ["zero"]
    if pairs.source.dims == pairs.target.dims:
        allowed.append("identity")
    if len(pairs) >= least_of_rotation(pairs):
        allowed.append("procrustes")
    return tuple(allowed)


def _require_choice(
    pairs: Pairs, held: Pairs | None, priors: Sequence[str], strengths: Sequence[float]
) -> None:
    unknown = [name for name in priors if name not in PRIORS]
    if unknown or not priors:
        raise DriftError(f"expected priors out of {', '.join(PRIORS)}, got {list(priors)!r}")
    if "identity" in priors:
        _require_same_dims(pairs, "ridge towards the identity")
    if "procrustes" in priors:
        require_pairs(pairs, least_of_rotation(pairs), "ridge towards procrustes")
    if not strengths or not all(np.isfinite(s) and s > 0 for s in strengths):
        raise DriftError(f"expected strengths above 0, got {list(strengths)!r}")
    if held is not None:
        require_disjoint(pairs, held)
    elif len(priors) > 1 or len(strengths) > 1:
        raise DriftError(
            "expected held-out pairs to choose prior and strength by, got none: split the pairs "
            "with Pairs.split, or give one prior and one strength"
        )


def _require_same_dims(pairs: Pairs, method: str) -> None:
    if pairs.source.dims != pairs.target.dims:
        raise UnmappableSpaceError(
            f"expected spaces of equal dims for {method}, got {pairs.source.dims} and "
            f"{pairs.target.dims}: fit a ridge or a Procrustes map"
        )


def _mapped(pairs: Pairs, method: str, parameters: Mapping[str, Fact], step: Affine) -> DriftMap:
    return DriftMap(
        pairs.source, pairs.target, method, dict(parameters), pairs.provenance(), (step,)
    )
