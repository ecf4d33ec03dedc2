"""The index: add, upsert, delete, get, count and search documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from trivet.config import Settings
from trivet.embedding import Embedder
from trivet.errors import InvalidInputError
from trivet.index.arguments import (
    checked_ids,
    checked_k,
    checked_on_error,
    checked_queries,
    checked_timeout,
    chosen_plan,
)
from trivet.index.documents import checked_documents
from trivet.index.ingest import Ingest, Progress
from trivet.index.keywords import checked_keywords
from trivet.index.model import IndexModel
from trivet.index.vectors import GivenVectors, ModelVectors, VectorSource
from trivet.index.worker import SearchWorker
from trivet.plan import Plan
from trivet.query import Query
from trivet.reports import IndexInfo, IngestReport
from trivet.store.filters import payload_filter
from trivet.store.points import Chunk
from trivet.store.store import Store
from trivet.types import Document, Hit, Representations

if TYPE_CHECKING:
    from qdrant_client import models

    from trivet.index.search import Asked


class Index:
    """Documents in Qdrant, searched by every leg at once. Made by `trivet.open`; thread-safe.

    A context manager: leaving it closes it. `count`, `get`, `delete` and `describe` never load
    the model.

    Args:
        location: as given to `trivet.open`.
        store: holds the documents.
        load_embedder: finds the model; called at the first embed.
        settings: of this opening.
    """

    def __init__(
        self,
        location: str,
        store: Store,
        load_embedder: Callable[[], Embedder],
        settings: Settings,
    ) -> None:
        self._location = location
        self._store = store
        self._model = IndexModel(store, load_embedder)
        self._settings = settings
        self._worker = SearchWorker(self._answer_together)

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
        return self._ingest(
            self._model_vectors, texts_or_documents, ids, metadatas, on_error, progress, False
        )

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
        if representations is None:
            return self._ingest(
                self._model_vectors, texts_or_documents, ids, metadatas, on_error, progress, True
            )
        documents = list(texts_or_documents)
        given = GivenVectors(representations, len(documents), self._store)
        return self._ingest(lambda: given, documents, ids, metadatas, on_error, progress, True)

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
        return [_document(chunks[id]) for id in asked if id in chunks]

    def count(self) -> int:
        """Documents stored."""
        return self._store.journal.count()

    @checked_keywords
    def search(
        self,
        query: str | Query,
        *,
        k: int = 10,
        plan: Plan | str | None = None,
        filter: models.Filter | Mapping[str, Any] | None = None,
        modes: Sequence[str] | None = None,
        chunks: bool = False,
    ) -> list[Hit]:
        """The k best documents for a query, best first.

        Args:
            query: a text or a `Query`.
            k: documents wanted (chunks, if `chunks`).
            plan: a `Plan`, or the name of a preset (`trivet.plan.PRESETS`); None = the one that
                measured best for the legs that are searched.
            filter: a `qdrant_client.models.Filter` (keys as stored: `metadata.year`), or a
                mapping of metadata fields, such as `{"year": {"gte": 1990}, "lang": "en"}`.
            modes: the legs to search; None = all that the index has. Not together with a plan.
            chunks: return chunks, with id `"<document>#<sequence>"`, several of a document.

        Raises:
            InvalidQueryError: no text, or a blank one.
            TextTooLongError: more tokens than the model reads.
            InvalidInputError: k below 1 or beyond 10,000; both a plan and modes.
            InvalidPlanError: no such preset, a leg that the index lacks, or a depth below k.
            UnknownModeError: a mode that does not exist or that the index lacks.
            InvalidFilterError: a filter that cannot be understood.
        """
        return self.search_many([query], k=k, plan=plan, filter=filter, modes=modes, chunks=chunks)[
            0
        ]

    @checked_keywords
    def search_many(
        self,
        queries: Sequence[str | Query],
        *,
        k: int = 10,
        plan: Plan | str | None = None,
        filter: models.Filter | Mapping[str, Any] | None = None,
        modes: Sequence[str] | None = None,
        chunks: bool = False,
    ) -> list[list[Hit]]:
        """As `search` for each query, in one forward pass and one request to the engine."""
        # The door to qdrant_client: half a second that count, get and add do without.
        from trivet.index.search import answer

        return answer(
            self._store, self._model, self._asked(queries, k, plan, filter, modes, chunks)
        )

    @checked_keywords
    async def asearch(
        self,
        query: str | Query,
        *,
        k: int = 10,
        plan: Plan | str | None = None,
        filter: models.Filter | Mapping[str, Any] | None = None,
        modes: Sequence[str] | None = None,
        chunks: bool = False,
        timeout_s: float | None = None,
    ) -> list[Hit]:
        """As `search`, without ever blocking the event loop.

        Queries that wait at the same time are answered together, by one thread, in one forward
        pass and one request to the engine. A search that is cancelled before its turn is not done.

        Args:
            query: as in `search`, like all that follows.
            k: documents wanted.
            plan: or the name of a preset.
            filter: reaches every leg.
            modes: the legs to search.
            chunks: return chunks.
            timeout_s: seconds to wait for the answer; None = as long as it takes.

        Raises:
            SearchTimeoutError: there was no answer in time.
            IndexBusyError: more searches wait than may.
            InvalidInputError: `timeout_s` is no number above 0, or as `search`.
            TrivetError: as `search`.
        """
        seconds = checked_timeout(timeout_s)
        [asked] = self._asked([query], k, plan, filter, modes, chunks)
        return await self._worker.answer(asked, seconds)

    def _asked(
        self,
        queries: Sequence[str | Query],
        k: int,
        plan: Plan | str | None,
        filter: models.Filter | Mapping[str, Any] | None,
        modes: Sequence[str] | None,
        chunks: bool,
    ) -> list[Asked]:
        # The door to qdrant_client, as above.
        from trivet.index.search import Asked, SearchOptions

        asked = checked_queries(queries)
        hits = checked_k(k)
        options = SearchOptions(
            k=hits,
            plan=chosen_plan(plan, modes, self._store.manifest, hits, self._settings.depth),
            filter=payload_filter(filter),
            chunks=chunks,
        )
        return [Asked(query, options) for query in asked]

    def describe(self) -> IndexInfo:
        """What the index is: engine, sizes, spaces, model."""
        manifest = self._store.manifest
        totals = self._store.journal.totals()
        return IndexInfo(
            location=self._location,
            engine=self._store.engine.name,
            documents=totals.documents,
            chunks=totals.chunks,
            spaces=tuple(manifest.spaces.values()),
            model=manifest.model,
            size_bytes=self._store.size_bytes(),
            created=manifest.created,
        )

    def close(self) -> None:
        """Flush and release the folder; a second call does nothing."""
        self._worker.close()
        self._store.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Index({self._location!r})"

    def _answer_together(self, asked: Sequence[Asked]) -> list[list[Hit]]:
        from trivet.index.search import answer

        return answer(self._store, self._model, asked)

    def _model_vectors(self) -> VectorSource:
        return ModelVectors(self._model, self._store)

    def _ingest(
        self,
        source: Callable[[], VectorSource],
        texts: Iterable[str | Document],
        ids: Sequence[str] | None,
        metadatas: Sequence[Mapping[str, Any]] | None,
        on_error: str,
        progress: Progress | None,
        replace_existing: bool,
    ) -> IngestReport:
        raise_errors = checked_on_error(on_error)
        if progress is not None and not callable(progress):
            raise InvalidInputError(f"expected progress to be callable, got {progress!r}")
        documents = checked_documents(texts, ids, metadatas)
        ingest = Ingest(
            self._store,
            source(),
            replace_existing=replace_existing,
            raise_errors=raise_errors,
            batch_chunks=self._settings.batch_chunks,
            progress=progress,
        )
        return ingest.run(documents)


def _document(chunks: Sequence[Chunk]) -> Document:
    """A document put together from all its chunks."""
    return Document(
        text="".join(chunk.text for chunk in chunks),
        id=chunks[0].document,
        title=chunks[0].title,
        metadata=dict(chunks[0].metadata),
    )
