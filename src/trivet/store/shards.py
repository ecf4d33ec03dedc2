"""The shard folders of an index: their names, the one that serves, what crashes left of others."""

from __future__ import annotations

import logging
import re
import shutil
import uuid
from dataclasses import replace
from pathlib import Path

from trivet.store.edge import EdgeEngine
from trivet.store.edge_shard import lost_its_log
from trivet.store.manifest import Manifest, write_manifest
from trivet.store.room import require_room

logger = logging.getLogger(__name__)

SHARDS_FOLDER = "shards"
_NAME = re.compile(r"[0-9a-f]{8}")


def new_shard() -> str:
    """A path, relative to the index's folder, that no shard has had."""
    return f"{SHARDS_FOLDER}/{uuid.uuid4().hex[:8]}"


def load_engine(folder: Path, manifest: Manifest) -> tuple[EdgeEngine, Manifest]:
    """Open the shard that serves; one whose log had to be set aside is written anew.

    Args:
        folder: of the index, locked.
        manifest: says which shard serves.

    Returns:
        The engine, and the manifest as it is now.

    Raises:
        IndexDamagedError: the engine cannot read its files.
        StoreError: a new shard cannot be written.
    """
    spaces = list(manifest.spaces.values())
    passing = () if manifest.upgrade is None else tuple(manifest.upgrade.passing)
    engine = EdgeEngine.load(
        folder / manifest.shard, spaces, manifest.scratch, passing, manifest.storage
    )
    if not lost_its_log(folder / manifest.shard):
        return engine, manifest
    try:
        return _written_anew(engine, folder, manifest)
    finally:
        engine.close()


def drop_leftovers(folder: Path, manifest: Manifest) -> None:
    """Delete the shards that serve no longer, or never came to serve."""
    for path in (folder / SHARDS_FOLDER).iterdir():
        if path != folder / manifest.shard and _NAME.fullmatch(path.name):
            logger.info("deleting the shard %s, which does not serve", path)
            shutil.rmtree(path, ignore_errors=True)


def _written_anew(
    engine: EdgeEngine, folder: Path, manifest: Manifest
) -> tuple[EdgeEngine, Manifest]:
    require_room(folder, 2 * engine.size_bytes())
    anew = replace(manifest, shard=new_shard(), scratch=None, optimized=0)
    names = manifest.vector_spaces
    made = EdgeEngine.create(folder / anew.shard, list(names.values()), manifest.storage)
    try:
        for path, kind in manifest.payload_indexes.items():
            made.create_index(path, kind)
        for page in engine.pages():
            engine.send(list(page), made, names)
        made.flush()
        write_manifest(folder, anew)
    except BaseException:
        made.close()
        raise
    logger.warning("the shard of %s was written anew: its log could not be read", folder)
    return made, anew
