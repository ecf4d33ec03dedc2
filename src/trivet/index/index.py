"""The index: documents that are stored and searched, and its upkeep."""

from __future__ import annotations

import os
from collections.abc import Callable

from trivet.index.arguments import checked_folder
from trivet.index.description import describe
from trivet.index.keywords import checked_keywords
from trivet.index.searched import SearchedDocuments
from trivet.reports import IndexInfo, OptimizeReport, VerifyReport


class Index(SearchedDocuments):
    """Documents in Qdrant, searched by every leg at once. Made by `trivet.open`; thread-safe.

    A context manager: leaving it closes it. `count`, `get`, `delete` and `describe` never load
    the model.
    """

    def describe(self) -> IndexInfo:
        """What the index is: engine, sizes, spaces, model."""
        return describe(self._shared.location, self._store)

    @checked_keywords
    def optimize(
        self, *, force: bool = False, progress: Callable[[str], None] | None = None
    ) -> OptimizeReport:
        """Make searches of a large index in a folder fast: by graph, no longer by scan.

        Searches go on; writes wait only while a copy is made and while it is taken over.

        Args:
            force: also where `describe().optimize_pays` is False.
            progress: called with the name of each stage as it begins.

        Raises:
            InvalidInputError: an index that is not in a folder.
            StoreError: it failed, for example for want of room; the index is as it was.
        """
        from trivet.store.optimizing import optimize_store

        return optimize_store(self._store, force=force, progress=progress)

    @checked_keywords
    def backup(self, target: str | os.PathLike[str]) -> None:
        """Copy the index to another folder; writes wait. `trivet.restore` makes an index of it.

        Args:
            target: a folder that is not there, or is empty.

        Raises:
            InvalidInputError: an index that is not in a folder, or a target within it.
            StoreError: the target holds something, or cannot be written.
        """
        from trivet.store.backup import back_up

        back_up(self._store, checked_folder(target))

    def verify(self) -> VerifyReport:
        """Compare every chunk with the journal; searches go on, writes wait.

        Raises:
            StoreError: the engine or the journal cannot be read.
        """
        from trivet.store.verifying import verify_store

        return verify_store(self._store)

    def close(self) -> None:
        """Flush and release the folder or the connection; a second call does nothing."""
        self._shared.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Index({self._shared.location!r})"
