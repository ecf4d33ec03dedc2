"""Copies files durably and hashes them on the way; holes stay holes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from trivet.store.manifest import sync_folder

BLOCK_BYTES = 1 << 16
_ZEROS = bytes(BLOCK_BYTES)


def copy_file(source: Path, target: Path) -> str:
    """Copy a file and bring it to the disk.

    The engine's files are mostly holes (32 MB for a few kB); blocks of zeros are not written.

    Returns:
        SHA-256 (hex) of its content.
    """
    digest = hashlib.sha256()
    with source.open("rb", buffering=0) as reading, target.open("wb", buffering=0) as writing:
        while block := reading.read(BLOCK_BYTES):
            digest.update(block)
            if block == _ZEROS[: len(block)]:
                writing.seek(len(block), os.SEEK_CUR)
            else:
                _write_all(writing.fileno(), block)
        writing.truncate(writing.tell())
        os.fsync(writing.fileno())
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 (hex) of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as reading:
        while block := reading.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def copy_folder(source: Path, target: Path) -> dict[str, str]:
    """Copy a folder that nobody writes to, with all that is in it, durably.

    Args:
        source: a folder of files and folders, without links.
        target: is made; its parent must be there.

    Returns:
        SHA-256 (hex) of each file by its path relative to the folder, with "/".
    """
    target.mkdir()
    digests: dict[str, str] = {}
    for path in sorted(source.iterdir()):
        copied = target / path.name
        if path.is_dir():
            inner = copy_folder(path, copied)
            digests.update({f"{path.name}/{name}": digest for name, digest in inner.items()})
        else:
            digests[path.name] = copy_file(path, copied)
    sync_folder(target)
    return digests


def _write_all(descriptor: int, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
