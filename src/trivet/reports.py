"""What an index tells about itself and about the writing of documents."""

from __future__ import annotations

from dataclasses import dataclass

from trivet.types import Space


@dataclass(frozen=True)
class FailedDocument:
    """A document that was not stored: its id (None if it has none), position in the call, error."""

    id: str | None
    position: int
    error: Exception


@dataclass(frozen=True)
class IngestReport:
    """What a call of `add` or `upsert` did.

    Attributes:
        added: documents that are new in the index.
        replaced: documents whose content was replaced.
        skipped: documents that were there already with the same content and metadata.
        failed: every document that was not stored, with its reason.
        chunks: chunks written.
        elapsed_s: wall time in seconds.
    """

    added: int = 0
    replaced: int = 0
    skipped: int = 0
    failed: tuple[FailedDocument, ...] = ()
    chunks: int = 0
    elapsed_s: float = 0.0

    @property
    def total(self) -> int:
        """Documents seen so far."""
        return self.added + self.replaced + self.skipped + len(self.failed)


@dataclass(frozen=True)
class IndexInfo:
    """What an index is.

    Attributes:
        location: where it is.
        engine: engine and version.
        documents: documents stored.
        chunks: chunks stored.
        spaces: the space of each leg.
        model: the source that the embedder is loaded from.
        size_bytes: bytes on disk.
        created: ISO 8601, UTC.
    """

    location: str
    engine: str
    documents: int
    chunks: int
    spaces: tuple[Space, ...]
    model: str
    size_bytes: int
    created: str
