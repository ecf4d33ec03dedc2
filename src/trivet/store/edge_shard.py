"""Shards of Qdrant Edge in a folder: made, and opened after whatever happened to them."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import qdrant_edge as edge

from trivet.errors import IndexDamagedError, IndexLockedError, StoreError
from trivet.store.payload_indexes import IndexKind
from trivet.store.storage import (
    Storage,
    client_quantization,
    edge_quantization,
    originals_on_disk,
)
from trivet.types import Space

logger = logging.getLogger(__name__)

CONFIG_FILE = "edge_config.json"
LOG_FOLDER = "wal"
BROKEN_LOG = f"{LOG_FOLDER}.broken"


def create_shard(
    folder: Path, spaces: Sequence[Space], storage: Storage = "full"
) -> edge.EdgeShard:
    """Make an empty shard with a named vector for each space.

    Raises:
        StoreError: the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the folder {folder}: {error}") from error
    with translated(f"make a shard in {folder}"):
        return edge.EdgeShard.create(str(folder), _config(spaces, [], storage))


def load_shard(
    folder: Path,
    spaces: Sequence[Space],
    scratch: str | None,
    passing: Sequence[Space] = (),
    storage: Storage = "full",
) -> edge.EdgeShard:
    """Open an existing shard.

    The engine changes its vector names in two files, one after the other, and refuses a shard
    whose process died in between. Then the shard has either all names or all but the scratch.

    Args:
        folder: of the shard.
        spaces: what it holds.
        scratch: the sparse vector name that was being made or dropped, if one was.
        passing: spaces of another model that are being made, are there, or are being dropped.
        storage: how its dense vectors are kept.

    Raises:
        IndexDamagedError: the engine cannot read it.
        IndexLockedError: another process holds it.
    """
    if not (folder / CONFIG_FILE).is_file():
        raise IndexDamagedError(
            f"expected the engine's files in {folder}, found none: restore the folder from a "
            "backup, or delete it and index the documents anew"
        )
    failures: list[BaseException] = []
    for config in _possible_configs(spaces, scratch, passing, storage):
        try:
            return edge.EdgeShard.load(str(folder), config)
        except (KeyboardInterrupt, SystemExit):  # noqa: PERF203
            raise
        except BaseException as error:  # noqa: BLE001  (pyo3's PanicException is no Exception)
            failures.append(error)
    if "WouldBlock" in str(failures[0]):
        raise IndexLockedError(
            f"the engine's files in {folder} are held by another process, or by an index that "
            "was not closed: close it there first"
        ) from failures[0]
    if not isinstance(failures[0], Exception) and (folder / LOG_FOLDER).is_dir():
        # The log holds an operation that the engine panics on. Everything that the journal
        # calls committed was flushed before; what was not is in the journal as pending.
        (folder / LOG_FOLDER).rename(folder / f"{BROKEN_LOG}-{time.time_ns()}")
        logger.warning("the engine's log in %s was set aside: it panics on it", folder)
        return load_shard(folder, spaces, scratch, passing, storage)
    raise IndexDamagedError(
        f"the engine cannot open its files in {folder} ({first_line(failures[0])}): restore "
        "the folder from a backup, or delete it and index the documents anew"
    ) from failures[0]


def _possible_configs(
    spaces: Sequence[Space], scratch: str | None, passing: Sequence[Space], storage: Storage
) -> list[edge.EdgeConfig | None]:
    """What the vector names of a shard may be, its own word (None) first."""
    possible: list[edge.EdgeConfig | None] = [None]
    held = [spaces, [*spaces, *passing]] if passing else [spaces]
    if scratch is not None:
        possible += [_config(some, [scratch], storage) for some in held]
    if scratch is not None or passing:
        possible += [_config(some, [], storage) for some in held]
    return possible


def shard_names(folder: Path) -> set[str]:
    """The vector names of an open shard, from its own configuration: the engine has no call for it.

    Raises:
        StoreError: it cannot be read.
    """
    config = _own_config(folder)
    return {*config["vectors"], *config["sparse_vectors"]}


def small_names(folder: Path) -> set[str]:
    """The names whose dense vectors a shard keeps small too, from its own configuration.

    Raises:
        StoreError: it cannot be read.
    """
    vectors = _own_config(folder)["vectors"]
    return {name for name, params in vectors.items() if params.get("quantization_config")}


def make_small(folder: Path, names: Iterable[str], storage: Storage) -> None:
    """Have the optimizer keep the dense vectors of names small, in a shard that nobody has open.

    The engine makes a vector name beside others full, and has no call that changes it.

    Raises:
        StoreError: the shard's configuration cannot be read or written.
    """
    quantization = client_quantization(storage)
    if quantization is None:
        return
    config = _own_config(folder)
    for name in names:
        params = config["vectors"][name]
        params["quantization_config"] = quantization.model_dump(mode="json", exclude_none=True)
        if originals_on_disk(storage):
            params["on_disk"] = True
    try:
        (folder / CONFIG_FILE).write_text(json.dumps(config), "utf-8")
    except OSError as error:
        raise StoreError(f"cannot write the engine's configuration in {folder}: {error}") from error


def _own_config(folder: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((folder / CONFIG_FILE).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot read the engine's configuration in {folder}: {error}") from error
    return config


def lost_its_log(folder: Path) -> bool:
    """Whether a shard's log was set aside.

    Its operations are then numbered from 0 again, and the engine passes over an operation whose
    number is lower than that of a stored point: such a shard may be read and not written.
    """
    return any(folder.glob(f"{BROKEN_LOG}-*"))


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Turn the engine's bare exceptions and panics into ours.

    Raises:
        StoreError: the engine failed.
        IndexDamagedError: it panicked.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit, StoreError):
        raise
    except Exception as error:
        raise StoreError(f"the engine failed to {action}: {first_line(error)}") from error
    except BaseException as error:  # pyo3's PanicException is no Exception
        logger.warning("the engine panicked: %s", error)
        raise IndexDamagedError(f"the engine panicked: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """What an error says, without the engine's backtrace."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def dims(space: Space) -> int:
    """The dims of a space that has some."""
    if space.dims is None:
        raise StoreError(f"expected a space with dims, got {space!r}")
    return space.dims


def _config(
    spaces: Sequence[Space], sparse_names: Sequence[str], storage: Storage
) -> edge.EdgeConfig:
    """The names of the spaces, and of sparse vectors beside them."""
    modifiers: dict[str, edge.Modifier | None] = dict.fromkeys(sparse_names, edge.Modifier.Idf)
    modifiers |= {s.vector_name: modifier(s) for s in spaces if s.mode == "sparse"}
    return edge.EdgeConfig(
        vectors={s.vector_name: vector_params(s, storage) for s in spaces if s.mode != "sparse"},
        sparse_vectors={
            name: edge.EdgeSparseVectorParams(modifier=found) for name, found in modifiers.items()
        },
        wal_enabled=True,
    )


def vector_params(space: Space, storage: Storage = "full") -> edge.EdgeVectorParams:
    """How dense and token vectors are kept."""
    if space.mode == "dense":
        return edge.EdgeVectorParams(
            size=dims(space),
            distance=edge.Distance.Cosine,
            on_disk=originals_on_disk(storage),
            quantization_config=edge_quantization(storage),
        )
    # Token vectors are compared with the candidates of other legs only: a graph would never be
    # walked. Their products are what they were made for: Cosine would scale bytes anew.
    is_bytes = space.facts.get("datatype") == "uint8"
    return edge.EdgeVectorParams(
        size=dims(space),
        distance=edge.Distance.Dot,
        multivector_config=edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim),
        datatype=edge.VectorStorageDatatype.Uint8 if is_bytes else None,
        hnsw_config=edge.HnswIndexConfig(m=0, ef_construct=100, full_scan_threshold=10_000),
    )


def modifier(space: Space) -> edge.Modifier | None:
    """BM25 leaves the rarity of words to the engine; a model's weights hold it already."""
    return edge.Modifier.Idf if space.is_lexical else None


def field_schema(kind: IndexKind) -> edge.PayloadSchemaType | edge.KeywordIndexParams:
    """The index of a payload field."""
    if kind == "tenant":
        return edge.KeywordIndexParams(is_tenant=True)
    schemas = {
        "keyword": edge.PayloadSchemaType.Keyword,
        "integer": edge.PayloadSchemaType.Integer,
        "float": edge.PayloadSchemaType.Float,
        "datetime": edge.PayloadSchemaType.Datetime,
        "text": edge.PayloadSchemaType.Text,
        "bool": edge.PayloadSchemaType.Bool,
    }
    return schemas[kind]
