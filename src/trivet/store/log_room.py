"""Gives back the room that the engine's log takes when a shard is closed."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import qdrant_edge as edge

from trivet.store.copying import copy_file
from trivet.store.edge_shard import LOG_FOLDER
from trivet.store.manifest import sync_folder

logger = logging.getLogger(__name__)

# The engine never drops the last of its log's full files of 32 MB, nor the one that it writes to:
# 2.5 to 6 kB a chunk in an index of 10,000. Less than this is left as it is.
WORTH_BYTES = 16 << 20
# Five such operations and no sixth fit into a file. After eleven, both files hold nothing else:
# five at most in the file that was begun, five in the next, one in the one after.
EMPTY_BYTES = 6 << 20
EMPTY_OPERATIONS = 11
# For the operations, and the files a second time.
ROOM_BYTES = 256 << 20


def log_bytes(folder: Path) -> int:
    """Bytes that the log of a shard occupies."""
    return sum(f.stat().st_blocks * 512 for f in (folder / LOG_FOLDER).glob("*") if f.is_file())


def close_with_small_log(shard: edge.EdgeShard, folder: Path) -> None:
    """Flush and close a shard; where its log is large, and the disk has the room, empty it.

    What fails after the flush costs room and nothing that was written: closing goes on.
    """
    shard.flush()
    empties = False
    with _left_large(folder):
        if log_bytes(folder) > WORTH_BYTES and shutil.disk_usage(folder).free > ROOM_BYTES:
            _push_out(shard)
            empties = True
    shard.close()
    if empties:
        with _left_large(folder):
            _give_back(folder)


@contextmanager
def _left_large(folder: Path) -> Iterator[None]:
    """Go on where the log cannot be emptied; the next closing tries again."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001  (pyo3's PanicException is no Exception)
        logger.warning("the engine's log in %s stays as large as it is: %s", folder, error)


def _push_out(shard: edge.EdgeShard) -> None:
    """Fill the log with operations that change nothing, made of zeros.

    The numbers of the operations go on: a log that is deleted would begin anew, and the engine
    passes over operations whose number it has seen.
    """
    zeros = "\0" * EMPTY_BYTES
    for _ in range(EMPTY_OPERATIONS):
        shard.update(edge.UpdateOperation.set_payload([], {"": zeros}))
    shard.flush()


def _give_back(folder: Path) -> None:
    """Write the log's files anew, without the blocks that are zeros."""
    log = folder / LOG_FOLDER
    # Beside the log, in which the engine knows every file.
    scratch = folder / f"{LOG_FOLDER}.new"
    try:
        for path in sorted(log.iterdir()):
            copy_file(path, scratch)
            scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
    sync_folder(log)
