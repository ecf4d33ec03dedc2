"""What is done to an index in a folder while it is closed: repair it, restore it from a backup."""

from __future__ import annotations

import os

from trivet.errors import NotAnIndexError
from trivet.index import lexicon
from trivet.index.arguments import checked_folder
from trivet.index.keywords import checked_keywords
from trivet.reports import RepairReport
from trivet.store.folder import check_location
from trivet.store.manifest import holds_index, read_manifest


@checked_keywords
def repair(location: str | os.PathLike[str]) -> RepairReport:
    """Put the index in a folder right again after its files were damaged.

    Unfinished writes are finished or taken back; points that belong to no document are deleted; a
    journal that cannot be read is written anew. Documents that are no longer whole are deleted
    and named: add them again.

    Args:
        location: a folder with an index that nobody has open.

    Returns:
        What was done. `verify` finds nothing wrong afterwards.

    Raises:
        NotAnIndexError: no index.
        IndexLockedError: it is open.
        IndexDamagedError: its manifest or the engine's own files cannot be read: restore a backup.
    """
    from trivet.store.repairing import repair_folder

    folder = checked_folder(location)
    check_location(folder)
    if not holds_index(folder):
        raise NotAnIndexError(f"expected an index in {folder}, got none: give another path")
    store, report = repair_folder(folder, lexicon.counter_for(read_manifest(folder)))
    try:
        lexicon.mend(store)
    finally:
        store.close()
    return report


@checked_keywords
def restore(backup: str | os.PathLike[str], location: str | os.PathLike[str]) -> None:
    """Make an index of a backup that `Index.backup` wrote.

    Args:
        backup: the backup; it is only read.
        location: a folder that is not there, or is empty.

    Raises:
        NotAnIndexError: no backup.
        IndexDamagedError: a file of it is missing or was changed; nothing was made.
        StoreError: the location holds something, or cannot be written.
    """
    from trivet.store.backup import restore_folder

    restore_folder(checked_folder(backup), checked_folder(location))
