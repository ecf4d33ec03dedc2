"""The documents of an index: add, upsert, delete, get, count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from trivet.errors import InvalidInputError
from trivet.index.arguments import Progress, checked_ids, checked_on_error, checked_progress
from trivet.index.documents import (
    Incoming,
    checked_documents,
    checked_texts,
    known_length,
    put_together,
)
from trivet.index.ingest import Ingest
from trivet.index.keywords import checked_keywords
from trivet.index.shared import Shared
from trivet.index.vectors import GivenVectors, ModelVectors, VectorSource
from trivet.reports import IngestReport
from trivet.store.deleting import checked_where, delete_where
from trivet.store.filters import payload_filter
from trivet.store.matching import matching_keys
from trivet.store.scope import Everything, Scope
from trivet.store.store import Store
from trivet.store.stored_vectors import vectors_of
from trivet.types import Document, Representations

if TYPE_CHECKING:
    from qdrant_client import models


class StoredDocuments:
    """The part of an `Index` that stores documents and gives them back.

    Args:
        shared: what the index works with.
        scope: whose documents it is about; None = no tenant chosen.
    """

    def __init__(self, shared: Shared, scope: Scope | None = None) -> None:
        self._shared = shared
        self._scope = Scope(shared.store.manifest.tenants) if scope is None else scope
        self._model = shared.model

    @property
    def _store(self) -> Store:
        return self._shared.store

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
            progress: called with the report so far after every batch: what is committed, at what
                rate, and, where the texts can be counted, how long the rest takes. Ctrl-C stops
                the call after the batch that is being written, and it is told once more.

        Returns:
            What was added and skipped, and every document that failed with its error:
            `InvalidDocumentError`, `DocumentExistsError`, `TextTooLongError`.

        Raises:
            InvalidInputError: the call is wrong (lengths, doubled ids); nothing was written.
            ModelError: the model cannot be loaded or run.
            StoreError: the engine failed; what was committed before stays.
        """
        self._scope.require_one()
        documents = checked_documents(texts_or_documents, ids, metadatas, self._scope.name)
        expected = known_length(texts_or_documents)
        return self._ingest(documents, None, on_error, progress, expected, replace_existing=False)

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
                chunk, however long. Their spaces must be the index's, and every leg that its
                model makes has to be there; token vectors may be as the model makes them. A BM25
                leg is computed where none is given.
            progress: as for `add`.

        Returns:
            As `add`; `replaced` counts the documents whose content was replaced.

        Raises:
            SpaceMismatchError: representations of another space; nothing was written.
            InvalidInputError, ModelError, StoreError: as `add`.
        """
        self._scope.require_one()
        given, texts = None, checked_texts(texts_or_documents)
        if representations is not None:
            texts = list(texts)
            given = GivenVectors(representations, len(texts), self._store, self._model)
        documents = checked_documents(texts, ids, metadatas, self._scope.name)
        expected = known_length(texts)
        return self._ingest(documents, given, on_error, progress, expected, replace_existing=True)

    @checked_keywords
    def delete(
        self,
        ids: Sequence[str] | None = None,
        *,
        filter: models.Filter | Mapping[str, Any] | Literal[Everything.ALL] | None = None,
    ) -> int:
        """Delete documents with all their chunks, by their ids or by a filter.

        If the process dies, a document that was being deleted is gone after the next opening, and
        the same call deletes the rest.

        Args:
            ids: of documents; those that are not there are ignored.
            filter: as in `search`; a document of which any chunk passes goes whole.
                `trivet.ALL` = every document (of the tenant).

        Returns:
            How many documents were there and are gone.

        Raises:
            InvalidInputError: `ids` is no list of texts; both ids and a filter, or neither.
            InvalidFilterError: a filter that cannot be understood, or has nothing in it.
            TenantError: the index has tenants, and none is chosen.
        """
        if (ids is None) == (filter is None):
            raise InvalidInputError(
                f"expected ids or a filter, got {'neither' if ids is None else 'both'}: name one"
            )
        if ids is not None:
            self._scope.require_one()
            return self._store.delete([self._scope.key(id) for id in checked_ids(ids)])
        self._scope.require_documents()
        return delete_where(self._store, self._scope.narrowed(checked_where(filter)))

    @checked_keywords
    def get(self, ids: Sequence[str]) -> list[Document]:
        """The stored documents, in the order asked for; missing ids are skipped.

        Args:
            ids: of documents; of one that is named twice, two come.

        Raises:
            InvalidInputError: `ids` is no list of texts.
        """
        self._scope.require_one()
        keys = [self._scope.key(id) for id in checked_ids(ids)]
        chunks = self._store.chunks(list(dict.fromkeys(keys)))
        return [put_together(chunks[key]) for key in keys if key in chunks]

    @checked_keywords
    def vectors(self, ids: Sequence[str]) -> Representations:
        """The stored dense and token vectors of documents, for `upsert(representations=…)`.

        Args:
            ids: of documents that are one chunk each.

        Raises:
            InvalidInputError: an index without a dense leg, or a document that is not there or
                has several chunks.
            TenantError: the index has tenants, and not exactly one is chosen.
        """
        self._scope.require_one()
        keys = [self._scope.key(id) for id in checked_ids(ids)]
        return vectors_of(self._store, keys)

    @checked_keywords
    def documents(
        self, *, filter: models.Filter | Mapping[str, Any] | None = None
    ) -> Iterator[Document]:
        """The stored documents that a filter selects, in no order; read as they are asked for.

        Args:
            filter: as in `search`; None = all documents (of the tenant).

        Raises:
            InvalidFilterError: a filter that cannot be understood.
            TenantError: the index has tenants, and none is chosen.
        """
        self._scope.require_documents()
        return self._listed(self._scope.narrowed(payload_filter(filter)))

    def _listed(self, where: models.Filter | None) -> Iterator[Document]:
        for keys in matching_keys(self._store, where):
            chunks = self._store.chunks(keys)
            yield from (put_together(chunks[key]) for key in keys if key in chunks)

    def count(self) -> int:
        """Documents stored."""
        self._scope.require_documents()
        return self._store.journal.count(self._scope.name)

    def _ingest(
        self,
        documents: Iterable[Incoming],
        given: VectorSource | None,
        on_error: str,
        progress: Progress | None,
        expected: int | None,
        *,
        replace_existing: bool,
    ) -> IngestReport:
        ingest = Ingest(
            self._store,
            raise_errors=checked_on_error(on_error),
            progress=checked_progress(progress),
            source=given or ModelVectors(self._model, self._store, replaces=replace_existing),
            replace_existing=replace_existing,
            batch_chunks=self._shared.settings.batch_chunks,
            expected=expected,
        )
        return ingest.run(documents)
