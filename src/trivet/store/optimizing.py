"""Optimizes the shard of a folder, while searches and writes go on.

Edge searches a shard that was never optimized by scanning it, and its optimizer stops every query
of the process that it runs in. So a copy is optimized in a process of its own; what was written
meanwhile is sent after it; then the manifest changes over, and the engine with it. Whatever dies
before the manifest is written, the old shard serves, and the next opening deletes the copy.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from trivet.errors import InvalidInputError, StoreError
from trivet.reports import OptimizeReport
from trivet.store.copying import copy_folder
from trivet.store.edge import EdgeEngine
from trivet.store.edge_shard import make_small, shard_names, small_names
from trivet.store.room import require_room
from trivet.store.shards import new_shard
from trivet.store.store import Store

logger = logging.getLogger(__name__)

StageProgress: TypeAlias = Callable[[str], None]

# Points that are sent with the writers held: some tens of milliseconds. Writers that are as fast
# as the sending are held after so many rounds.
FEW_CHANGES = 256
ROUNDS = 5
# A leg that is weighted anew while the copy is optimized makes the copy useless.
ATTEMPTS = 3
POLL_S = 0.2


class _NamesChangedError(Exception):
    """A vector name was made or dropped after the copy."""


def optimize_store(store: Store, *, force: bool, progress: StageProgress | None) -> OptimizeReport:
    """Optimize the shard of a store, if that pays.

    Args:
        store: of an index in a folder.
        force: also if it does not pay.
        progress: called with the name of each stage as it begins.

    Returns:
        What was done.

    Raises:
        InvalidInputError: the store is in no folder.
        StoreError: there is no room, another call is at it, the optimizer failed, or vector names
            kept changing; the index is as it was.
    """
    folder, engine = require_folder(store)
    started = time.monotonic()
    if not force and not store.optimize_pays:
        return OptimizeReport(False, store.manifest.optimized, 0.0)
    with _alone(store):
        for _ in range(ATTEMPTS):
            if _attempt(store, engine, folder, progress or _tell_nobody):
                elapsed_s = time.monotonic() - started
                return OptimizeReport(True, store.manifest.optimized, elapsed_s)
            logger.info("a leg was weighted anew meanwhile: optimizing another copy")
    raise StoreError(
        f"expected a leg that stays as it is while it is optimized, got another one {ATTEMPTS} "
        "times: optimize when the first documents are in"
    )


def require_folder(store: Store) -> tuple[Path, EdgeEngine]:
    """The folder of an index, and its engine.

    Raises:
        InvalidInputError: the store is in no folder.
    """
    folder, engine = store.folder, store.engine
    if folder is None or not isinstance(engine, EdgeEngine):
        raise InvalidInputError(
            f"expected an index in a folder to optimize, got one in {engine.name}: it takes care "
            "of itself"
        )
    return folder, engine


def _tell_nobody(stage: str) -> None:
    """Progress that nobody asked for."""


@contextmanager
def _alone(store: Store) -> Iterator[None]:
    if not store.optimizing.acquire(blocking=False):
        raise StoreError("expected one call of optimize at a time, got two: wait for the first")
    try:
        yield
    finally:
        store.optimizing.release()


def _keep_small(store: Store, shard: Path) -> None:
    """Have the dense vectors that serve kept as the index was made: an upgrade makes full ones."""
    names = [space.vector_name for mode, space in store.manifest.spaces.items() if mode == "dense"]
    make_small(
        shard, set(names) & (shard_names(shard) - small_names(shard)), store.manifest.storage
    )


def _attempt(store: Store, engine: EdgeEngine, folder: Path, progress: StageProgress) -> bool:
    """Optimize a copy and go over to it; False if it no longer has the same vector names."""
    shard = new_shard()
    try:
        progress("copying")
        _copy(store, engine, folder, shard)
        _keep_small(store, folder / shard)
        progress("optimizing")
        _run_optimizer(folder / shard, lambda: engine.is_open)
        progress("catching up")
        # In a thread of its own: Ctrl-C cannot come between the manifest and the engine.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(_change_over, store, engine, folder, shard).result()
    except _NamesChangedError:
        return False
    finally:
        engine.unfollow()
        if store.manifest.shard != shard:
            shutil.rmtree(folder / shard, ignore_errors=True)
    return True


def _copy(store: Store, engine: EdgeEngine, folder: Path, shard: str) -> None:
    """Copy the shard with the writers held, and follow them from there."""
    with store.writing:
        store.recover()
        store.drop_scratch()
        # The copy, and its segments a second time.
        require_room(folder, 3 * engine.size_bytes())
        engine.flush()
        engine.follow()
        try:
            copy_folder(folder / store.manifest.shard, folder / shard)
        except OSError as error:
            raise StoreError(f"cannot copy the shard in {folder}: {error}") from error


def _run_optimizer(shard: Path, is_wanted: Callable[[], bool]) -> None:
    """Optimize a shard in a process that ends with this one.

    Args:
        shard: its folder.
        is_wanted: asked now and then; the process is ended when it no longer holds.
    """
    command = [sys.executable, "-m", "trivet.store.compaction", str(shard), str(os.getpid())]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=complaints,
                stderr=complaints,
                env=environment,
            )
        except OSError as error:
            raise StoreError(f"cannot start {sys.executable!r} to optimize: {error}") from error
        try:
            while process.poll() is None and is_wanted():
                with suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_S)
        finally:
            process.kill()
            process.wait()
        if process.returncode != 0:
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip().splitlines()
            raise StoreError(
                f"the optimizer of {shard.parent} ended with {process.returncode} "
                f"({said[-1] if said else 'without a word'}): the index is as it was"
            )


def _change_over(store: Store, engine: EdgeEngine, folder: Path, shard: str) -> None:
    """Send what was written since the copy, and serve the copy."""
    fresh = EdgeEngine.load(folder / shard, list(store.manifest.vector_spaces.values()), None)
    try:
        sent = 0
        for _ in range(ROUNDS):
            some = _send_changes(engine, fresh, store)
            sent += some
            if some <= FEW_CHANGES:
                break
        with store.writing:
            store.recover()
            sent += _send_changes(engine, fresh, store)
            if sent:  # a flush keeps every query waiting, and the optimizer has done its own
                fresh.flush()
            old = folder / store.manifest.shard
            store.serve(shard, lambda: engine.take_over(fresh))
    finally:
        fresh.close()
    # Readers may still be in it: what cannot be deleted now is deleted at the next opening.
    shutil.rmtree(old, ignore_errors=True)


def _send_changes(engine: EdgeEngine, fresh: EdgeEngine, store: Store) -> int:
    changes = engine.take_changes()
    if changes.names:
        raise _NamesChangedError
    engine.send(changes.points, fresh, store.manifest.vector_spaces)
    return len(changes.points)
