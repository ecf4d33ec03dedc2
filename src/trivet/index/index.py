"""The index: add, upsert, delete, get, count and search documents."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from trivet.config import Settings
from trivet.embedding import Embedder
from trivet.index.arguments import (
    Progress,
    checked_folder,
    checked_ids,
    checked_k,
    checked_on_error,
    checked_progress,
    checked_queries,
    checked_timeout,
    chosen_plan,
)
from trivet.index.description import describe
from trivet.index.documents import Incoming, checked_documents, checked_texts, put_together
from trivet.index.ingest import Ingest
from trivet.index.keywords import checked_keywords
from trivet.index.model import IndexModel
from trivet.index.vectors import GivenVectors, ModelVectors, VectorSource
from trivet.index.worker import SearchWorker
from trivet.plan import Plan
from trivet.query import Query
from trivet.reports import IndexInfo, IngestReport, OptimizeReport, VerifyReport
from trivet.store.filters import payload_filter
from trivet.store.store import Store
from trivet.types import Document, Hit, Representations

if TYPE_CHECKING:
    from qdrant_client import models

    from trivet.index.explanation import Explanation
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

    @checked_keywords
    def explain(
        self,
        query: str | Query,
        id: str,
        *,
        k: int = 10,
        plan: Plan | str | None = None,
        modes: Sequence[str] | None = None,
    ) -> Explanation:
        """Why a document has its score for a query: each leg's part, its terms, its token pairs.

        The parts add up to the score that `search` gives the document. `str()` of the answer is
        readable text; a notebook shows it as HTML.

        Args:
            query: as in `search`.
            id: of a stored document, such as a hit's.
            k: as in the search; of plans that fuse ranks or lists, more hits make longer lists.
            plan: as in `search`.
            modes: as in `search`.

        Raises:
            InvalidInputError: no such document, or as `search`.
            TrivetError: as `search`.
        """
        # The door to qdrant_client, as above.
        from trivet.index.explain import explain

        [asked] = self._asked([query], k, plan, None, modes, chunks=False)
        [wanted] = checked_ids([id])
        return explain(self._store, self._model, asked, wanted)

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
        return describe(self._location, self._store)

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
        self._worker.close()
        self._store.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Index({self._location!r})"

    def _answer_together(self, asked: Sequence[Asked]) -> list[list[Hit]]:
        from trivet.index.search import answer

        return answer(self._store, self._model, asked)

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
            batch_chunks=self._settings.batch_chunks,
        )
        return ingest.run(documents)
