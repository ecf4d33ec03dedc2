"""A smaller model out of a checkpoint: first layers, first components, fewer token vectors."""

from __future__ import annotations

from dataclasses import replace

from trivet.embedding.spec import EncoderSpec, TokenPooling
from trivet.errors import InvalidInputError


def resized(spec: EncoderSpec, *, layers: int | None, dims: int | None) -> EncoderSpec:
    """The spec of a part of a checkpoint (2D Matryoshka).

    A backbone with a norm behind its last layer has it behind the last layer that is kept.
    Vectors are cut before they are scaled to length 1.

    Args:
        spec: the whole checkpoint.
        layers: transformer layers to keep, the first; None = all.
        dims: components of dense and token vectors to keep, the first; None = all.

    Raises:
        InvalidInputError: no such number of layers or dims.
    """
    if layers is not None and spec.chain is not None:
        raise InvalidInputError(
            f"expected no layers for {spec.folder}, whose modules sentence-transformers runs, got "
            f"{layers!r}: leave them out"
        )
    if layers is not None:
        _require_within("layers", layers, spec.layers)
        spec = replace(spec, layers=layers)
    if dims is None:
        return spec
    multi = spec.multi
    held = [spec.dims] if spec.pooling else []
    held += [multi.dims] if multi is not None else []
    if not held:
        raise InvalidInputError(
            f"expected no dims for {spec.folder}, got {dims}: its only leg is a sparse one"
        )
    _require_within("dims", dims, max(held))
    if multi is not None:
        spec = replace(spec, multi=replace(multi, dims=min(dims, multi.dims)))
    if spec.pooling and dims < spec.dims:
        spec = replace(spec, dims=dims, cut_first=True)
    return spec


def pooled(spec: EncoderSpec, factor: int | None) -> EncoderSpec:
    """The spec of a checkpoint whose documents have fewer token vectors.

    Args:
        spec: of the checkpoint.
        factor: token vectors of a document that become one, on average, 1 being none at all;
            None = as the checkpoint says.

    Raises:
        InvalidInputError: no whole number above 0, or no token vectors.
    """
    if factor is None:
        return spec
    if isinstance(factor, bool) or not isinstance(factor, int) or factor < 1:
        raise InvalidInputError(
            f"expected token_pooling of 1 (none), 2, 3 or more tokens to a vector, got {factor!r}"
        )
    if spec.multi is None:
        raise InvalidInputError(
            f"expected no token_pooling for {spec.folder}, got {factor}: it has no token vectors"
        )
    # Where special tokens have vectors, the first is that of [CLS], which stands for no word.
    protected = 1 if spec.multi.kept == "all" else 0
    pooling = TokenPooling(float(factor), protected, unit=spec.multi.normalise)
    return replace(spec, multi=replace(spec.multi, pooling=pooling if factor > 1 else None))


def _require_within(what: str, came: int, most: int) -> None:
    if isinstance(came, bool) or not isinstance(came, int) or not 1 <= came <= most:
        raise InvalidInputError(f"expected {what} between 1 and {most}, got {came!r}")
