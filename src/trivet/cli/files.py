"""Finds the files under the paths that are to be indexed, without reading them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trivet.errors import InvalidInputError

SUFFIXES = (".txt", ".text", ".md", ".markdown", ".rst", ".py", ".pyi", ".jsonl", ".jsonl.gz")


@dataclass(frozen=True)
class SourceFile:
    """A file to read.

    Attributes:
        path: where it really is, links followed.
        id: its path relative to the path it was found under, with "/"; the name of a file that
            was named itself.
        size_bytes: how long it was when it was found.
    """

    path: Path
    id: str
    size_bytes: int


@dataclass(frozen=True)
class Failure:
    """What cannot be made a document: its id, or where it stands, and the reason."""

    id: str
    reason: str


@dataclass(frozen=True)
class Found:
    """What lies under some paths.

    Attributes:
        files: the files to read, path by path, in order of their ids.
        failed: folders and files that cannot be read at all.
        other_files: how many files were passed over for their suffix.
        links: how many links were passed over because they are broken or leave their path.
    """

    files: tuple[SourceFile, ...]
    failed: tuple[Failure, ...]
    other_files: int
    links: int


def find_files(paths: Sequence[Path], *, outside: Path | None) -> Found:
    """Find every file with one of `SUFFIXES` under the paths.

    Names that begin with "." are passed over, and so are links that lead out of their path. What
    several links within a path lead to is found once, and under its own name where that is not
    hidden. A path that is named itself may be hidden or a link.

    Args:
        paths: files and folders that exist.
        outside: a folder that is never entered: that of the index; None = there is none.

    Returns:
        What was found.

    Raises:
        InvalidInputError: two different files have the same id.
    """
    walks = [_Walk(path, None if outside is None else outside.resolve()) for path in paths]
    by_id: dict[str, SourceFile] = {}
    for walk in walks:
        walk.run()
        for file in sorted(walk.files, key=lambda file: file.id):
            other = by_id.setdefault(file.id, file)
            if other.path != file.path:
                raise InvalidInputError(
                    f"expected one file for each id, got {file.id!r} from both {other.path} and "
                    f"{file.path}: index the folder that holds both, or make an index of each"
                )
    return Found(
        files=tuple(by_id.values()),
        failed=tuple(failure for walk in walks for failure in walk.failed),
        other_files=sum(walk.other_files for walk in walks),
        links=sum(walk.links for walk in walks),
    )


class _Walk:
    """One walk over one path: folders first, links last, nothing twice."""

    def __init__(self, path: Path, outside: Path | None) -> None:
        self.files: list[SourceFile] = []
        self.failed: list[Failure] = []
        self.other_files = 0
        self.links = 0
        self._named = path
        self._top = path.resolve()
        self._seen = set() if outside is None else {outside}
        self._folders: list[tuple[Path, str]] = []
        self._links: list[tuple[Path, str]] = []

    def run(self) -> None:
        """Find everything; call it once."""
        if self._top.is_dir():
            self._folders.append((self._top, ""))
        else:
            self._add(self._top, self._named.name)
        while self._folders or self._links:
            if self._folders:
                self._enter(*self._folders.pop())
            else:
                self._follow(*self._links.pop())

    def _enter(self, folder: Path, prefix: str) -> None:
        """Take what a folder holds; `prefix` is the folder's part of the ids."""
        if folder in self._seen:
            return
        self._seen.add(folder)
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            self._fail(prefix or str(folder), f"expected a folder to read, {_reason(error)}")
            return
        for entry in entries:
            path, name = folder / entry.name, prefix + entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_symlink():
                self._links.append((path, name))
            elif entry.is_dir(follow_symlinks=False):
                self._folders.append((path, f"{name}/"))
            else:
                self._add(path, name)

    def _follow(self, link: Path, name: str) -> None:
        """Take what a link leads to, if that lies within the path and was not met before."""
        try:
            target = link.resolve(strict=True)
        except (OSError, RuntimeError):  # broken, or a ring of links (RuntimeError before 3.13)
            self.links += 1
            return
        if not target.is_relative_to(self._top):
            self.links += 1
        elif target.is_dir():
            self._folders.append((target, f"{name}/"))
        else:
            self._add(target, name)

    def _add(self, path: Path, name: str) -> None:
        """Take one file under the id `name`."""
        if path in self._seen:
            return
        self._seen.add(path)
        if not name.lower().endswith(SUFFIXES) or not path.is_file():
            self.other_files += 1
            return
        try:
            name.encode()
            size_bytes = path.stat().st_size
        except UnicodeEncodeError:
            self._fail(name, "expected a file name in UTF-8, got other bytes: rename it")
        except OSError as error:
            self._fail(name, f"expected a file to read, {_reason(error)}")
        else:
            self.files.append(SourceFile(path, name, size_bytes))

    def _fail(self, name: str, reason: str) -> None:
        """Note what cannot be read, under a name that can be shown."""
        self.failed.append(Failure(name.encode(errors="backslashreplace").decode(), reason))


def _reason(error: OSError) -> str:
    """What the operating system said, for an error message."""
    return f"got {(error.strerror or str(error)).lower()!r}: check its permissions"
