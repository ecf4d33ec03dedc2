"""How dense vectors are kept: as they are, or small in memory with the originals to rescore by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from trivet.errors import InvalidInputError

if TYPE_CHECKING:
    import qdrant_edge as edge
    from qdrant_client import models

Storage: TypeAlias = Literal["full", "int8", "binary", "pq", "tiered"]
STORAGES: tuple[Storage, ...] = get_args(Storage)

# Candidates that small vectors bring for each that is wanted; the originals choose among them.
# Signs alone need more: of MiniLM's vectors of NPL (benchmarks/storage.py).
OVERSAMPLING: dict[Storage, float] = {"int8": 2.0, "binary": 10.0, "pq": 4.0, "tiered": 2.0}
FLOAT_BYTES = 4
PQ_RATIO = 16
# Beside a vector's bytes, what turns their products into cosines again.
INT8_OFFSET_BYTES = 4


def checked_storage(storage: object) -> Storage | None:
    """One of the presets; None = as stored.

    Raises:
        InvalidInputError: another.
    """
    if storage is None:
        return None
    for known in STORAGES:
        if storage == known:
            return known
    raise InvalidInputError(f"expected storage to be one of {', '.join(STORAGES)}, got {storage!r}")


def memory_bytes(storage: Storage, dims: int) -> int:
    """Bytes of one dense vector that a search reads before it rescores."""
    if storage in ("int8", "tiered"):
        return dims + INT8_OFFSET_BYTES
    if storage == "binary":
        return -(-dims // 8)
    if storage == "pq":
        return -(-dims * FLOAT_BYTES // PQ_RATIO)
    return dims * FLOAT_BYTES


def made_at_once(storage: Storage) -> bool:
    """Whether an engine in a folder makes the small vectors as it stores; else `optimize` does."""
    return storage in ("full", "binary")


def search_params(storage: Storage) -> models.SearchParams | None:
    """How a dense leg's best are found."""
    if storage == "full":
        return None
    from qdrant_client import models

    quantization = models.QuantizationSearchParams(rescore=True, oversampling=OVERSAMPLING[storage])
    return models.SearchParams(quantization=quantization)


def exact_params(storage: Storage) -> models.SearchParams | None:
    """How candidates are scored that other legs brought: by the originals."""
    if storage == "full":
        return None
    from qdrant_client import models

    return models.SearchParams(quantization=models.QuantizationSearchParams(ignore=True))


def edge_quantization(
    storage: Storage,
) -> (
    edge.ScalarQuantizationConfig
    | edge.BinaryQuantizationConfig
    | edge.ProductQuantizationConfig
    | None
):
    """As Qdrant Edge is told."""
    import qdrant_edge as edge

    if storage in ("int8", "tiered"):
        return edge.ScalarQuantizationConfig(edge.ScalarType.Int8, always_ram=True)
    if storage == "binary":
        return edge.BinaryQuantizationConfig(always_ram=True)
    if storage == "pq":
        return edge.ProductQuantizationConfig(edge.CompressionRatio.X16, always_ram=True)
    return None


def client_quantization(storage: Storage) -> models.QuantizationConfig | None:
    """As a server is told."""
    from qdrant_client import models

    if storage in ("int8", "tiered"):
        scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
        return models.ScalarQuantization(scalar=scalar)
    if storage == "binary":
        return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))
    if storage == "pq":
        product = models.ProductQuantizationConfig(
            compression=models.CompressionRatio.X16, always_ram=True
        )
        return models.ProductQuantization(product=product)
    return None


def originals_on_disk(storage: Storage) -> bool | None:
    """Whether the originals stay out of memory; None = as the engine does by itself."""
    return True if storage == "tiered" else None
