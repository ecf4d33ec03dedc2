"""The documents of an index: add, upsert, delete, get, count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from trivet.index.arguments import Progress, checked_ids, checked_on_error, checked_progress
from trivet.index.documents import Incoming, checked_documents, checked_texts, put_together
from trivet.index.ingest import Ingest
from trivet.index.keywords import checked_keywords
from trivet.index.shared import Shared
from trivet.index.vectors import GivenVectors, ModelVectors, VectorSource
from trivet.reports import IngestReport
from trivet.store.filters import payload_filter
from trivet.store.matching import matching_ids
from trivet.types import Document, Representations

if TYPE_CHECKING:
    from qdrant_client import models


class StoredDocuments:
    """The part of an `Index` that stores documents and gives them back.

    Args:
        shared: what the index works with.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._store = shared.store
        self._model = shared.model

    @checked_keywords
    def add(
        self,
        texts_or_documents: Iterable[str | Document],
        ids: Sequence[str] | None = None,
        metadatas: Sequence[Mapping[str, Any]] | None = None,
        on_error: Literal["report", "raise"] = "report",
        *,
        progress: Progress | None = None,
    ) -> IngestReport:
        """Store new documents; those that are there with the same content are skipped.

        A document is committed when a batch that holds it is reported. If the process dies, what
        was committed stays, nothing is left half written, and the same call completes the rest.

        Args:
            texts_or_documents: texts or `Document`s; a generator is streamed.
            ids: one for each; None = the documents' own, else a uuid5 of title and text.
            metadatas: one mapping of JSON values for each; None = the documents' own.
            on_error: "report" puts a document that fails into `report.failed` and goes on;
                "raise" stops at the first (the documents before it are stored).
            progress: called with the report so far after every batch.

        Returns:
            What was added and skipped, and every document that failed with its error:
            `InvalidDocumentError`, `DocumentExistsError`, `TextTooLongError`.

        Raises:
            InvalidInputError: the call is wrong (lengths, doubled ids); nothing was written.
            ModelError: the model cannot be loaded or run.
            StoreError: the engine failed; what was committed before stays.
        """
        documents = checked_documents(texts_or_documents, ids, metadatas)
        return self._ingest(documents, None, on_error, progress, replace_existing=False)

    @checked_keywords
    def upsert(
        self,
        texts_or_documents: Iterable[str | Document],
        ids: Sequence[str] | None = None,
        metadatas: Sequence[Mapping[str, Any]] | None = None,
        on_error: Literal["report", "raise"] = "report",
        *,
        representations: Representations | None = None,
        progress: Progress | None = None,
    ) -> IngestReport:
        """Store documents, replacing those that are there with other content or metadata.

        Args:
            texts_or_documents: as for `add`.
            ids: as for `add`.
            metadatas: as for `add`.
            on_error: as for `add`.
            representations: the documents' own vectors, one for each; each document is then one
                chunk, however long. Their spaces must be the index's. A BM25 leg is computed
                where none is given.
            progress: as for `add`.

        Returns:
            As `add`; `replaced` counts the documents whose content was replaced.

        Raises:
            SpaceMismatchError: representations of another space; nothing was written.
            InvalidInputError, ModelError, StoreError: as `add`.
        """
        given, texts = None, checked_texts(texts_or_documents)
        if representations is not None:
            texts = list(texts)
            given = GivenVectors(representations, len(texts), self._store)
        documents = checked_documents(texts, ids, metadatas)
        return self._ingest(documents, given, on_error, progress, replace_existing=True)

    @checked_keywords
    def delete(self, ids: Sequence[str]) -> int:
        """Delete documents with all their chunks.

        Args:
            ids: of documents; those that are not there are ignored.

        Returns:
            How many documents were there and are gone.

        Raises:
            InvalidInputError: `ids` is no list of texts.
        """
        return self._store.delete(checked_ids(ids))

    @checked_keywords
    def get(self, ids: Sequence[str]) -> list[Document]:
        """The stored documents, in the order asked for; missing ids are skipped.

        Raises:
            InvalidInputError: `ids` is no list of texts.
        """
        asked = checked_ids(ids)
        chunks = self._store.chunks(list(dict.fromkeys(asked)))
        return [put_together(chunks[id]) for id in asked if id in chunks]

    @checked_keywords
    def documents(
        self, *, filter: models.Filter | Mapping[str, Any] | None = None
    ) -> Iterator[Document]:
        """The stored documents that a filter selects, in no order; read as they are asked for.

        Args:
            filter: as in `search`; None = all documents.

        Raises:
            InvalidFilterError: a filter that cannot be understood.
        """
        return self._listed(payload_filter(filter))

    def _listed(self, where: models.Filter | None) -> Iterator[Document]:
        for ids in matching_ids(self._store, where):
            chunks = self._store.chunks(ids)
            yield from (put_together(chunks[id]) for id in ids if id in chunks)

    def count(self) -> int:
        """Documents stored."""
        return self._store.journal.count()

    def _ingest(
        self,
        documents: Iterable[Incoming],
        given: VectorSource | None,
        on_error: str,
        progress: Progress | None,
        *,
        replace_existing: bool,
    ) -> IngestReport:
        ingest = Ingest(
            self._store,
            raise_errors=checked_on_error(on_error),
            progress=checked_progress(progress),
            source=given or ModelVectors(self._model, self._store),
            replace_existing=replace_existing,
            batch_chunks=self._shared.settings.batch_chunks,
        )
        return ingest.run(documents)
