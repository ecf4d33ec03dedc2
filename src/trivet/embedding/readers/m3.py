"""The two heads that BGE-M3 keeps beside a dense checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from trivet.embedding.readers.tokens import TokenTable
from trivet.embedding.spec import EncoderSpec, Projection, TokenVectors, TokenWeights
from trivet.errors import CheckpointError, MissingHeadError

SPARSE_FILE = "sparse_linear.pt"
MULTI_FILE = "colbert_linear.pt"

_UNWEIGHED = ("cls_token", "eos_token", "pad_token", "unk_token")


def with_m3_heads(spec: EncoderSpec, folder: Path) -> EncoderSpec:
    """The spec of a dense checkpoint with the heads that lie beside it, if there are any.

    Raises:
        MissingHeadError: one of the two files is there and the other is not.
        CheckpointError: a file is damaged, or a head of another shape.
    """
    files = [folder / SPARSE_FILE, folder / MULTI_FILE]
    missing = [file for file in files if not file.is_file()]
    if len(missing) == len(files):
        return spec
    if missing:
        raise MissingHeadError(
            f"expected both {SPARSE_FILE} and {MULTI_FILE} in {folder}, got none called "
            f"{missing[0].name}: fetch the checkpoint anew"
        )
    assert spec.multi is not None  # every dense checkpoint has token vectors
    hidden = spec.multi.dims
    table = TokenTable.read(spec.folder)
    dropped = {table.special_id(role) for role in _UNWEIGHED} - {None}
    sparse, multi = _projection(files[0], hidden, 1), _projection(files[1], hidden, None)
    if not (folder / "modules.json").is_file():
        spec = replace(spec, pooling=("cls",), normalise=True)
    return replace(
        spec,
        sparse=TokenWeights(sparse, tuple(sorted(i for i in dropped if i is not None))),
        multi=TokenVectors(multi.out_features, (multi,), kept="after_first"),
    )


def _projection(file: Path, hidden: int, out: int | None) -> Projection:
    """A linear layer with bias over token states; its length is only in its file."""
    # The door to torch: a head's shape stands nowhere else.
    from trivet.embedding.layers import read_tensors

    shapes = {name: tuple(tensor.shape) for name, tensor in read_tensors(file, "").items()}
    rows = shapes.get("weight", (0,))[0] if out is None else out
    if rows < 1 or shapes != {"weight": (rows, hidden), "bias": (rows,)}:
        raise CheckpointError(
            f"expected weight of {rows or 'any'} × {hidden} and bias in {file}, got {shapes}: "
            "fetch the checkpoint anew"
        )
    return Projection(file, hidden, rows, bias=True, activation="Identity", prefix="")
