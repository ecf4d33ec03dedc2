"""Runs of LlamaIndex's pipelines, and word of how they end."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.instrumentation.span import active_span_id
from llama_index.core.instrumentation.span_handlers import NullSpanHandler


@dataclass(frozen=True)
class FailedRun:
    """A run of a pipeline that raised.

    Attributes:
        pipeline: that ran.
        given: the ids of the documents that the run was given; None = only its readers know.
    """

    pipeline: IngestionPipeline
    given: frozenset[str] | None

    def was_given(self, source: str) -> bool:
        """Whether it was to take in a document."""
        return self.given is None or source in self.given

    def forget(self, sources: Sequence[str]) -> None:
        """Make the docstore forget documents that it has marked as done before they were stored."""
        docstore = self.pipeline.docstore
        if docstore is None or self.pipeline.docstore_strategy != DocstoreStrategy.DUPLICATES_ONLY:
            return  # the other strategies mark what is stored
        for source in sources:
            docstore.delete_document(source, raise_error=False)


# Told how a span ended: a pipeline's run that raised, or None for everything else.
Ended: TypeAlias = Callable[[FailedRun | None], None]


def current_span() -> str | None:
    """The id of LlamaIndex's span in which this is called: in a pipeline, that of its run."""
    return active_span_id.get()


def when_ended(span: str, ended: Ended) -> None:
    """Call `ended` once, when a span ends; in the thread of the span, before its error is seen."""
    _ENDS.wait(span, ended)
    root = get_dispatcher()
    if _ENDS not in root.span_handlers:
        root.add_span_handler(_ENDS)


class _Ends(NullSpanHandler):
    """Listens to the ends of spans that somebody waits for."""

    _waiting: dict[str, list[Ended]] = PrivateAttr(default_factory=dict)
    _changing: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    def wait(self, span: str, ended: Ended) -> None:
        with self._changing:
            self._waiting.setdefault(span, []).append(ended)

    def span_exit(
        self,
        id_: str,
        bound_args: inspect.BoundArguments,
        instance: Any | None = None,
        result: Any | None = None,
        **kwargs: Any,
    ) -> None:
        self._tell(id_, None)

    def span_drop(
        self,
        id_: str,
        bound_args: inspect.BoundArguments,
        instance: Any | None = None,
        err: BaseException | None = None,
        **kwargs: Any,
    ) -> None:
        self._tell(id_, _failed_run(instance, bound_args.arguments))

    def _tell(self, span: str, failed: FailedRun | None) -> None:
        with self._changing:
            told = self._waiting.pop(span, [])
        for ended in told:
            ended(failed)


def _failed_run(instance: object, arguments: dict[str, Any]) -> FailedRun | None:
    if not isinstance(instance, IngestionPipeline):
        return None
    if instance.readers:
        return FailedRun(instance, None)
    lists = (arguments.get("documents"), arguments.get("nodes"), instance.documents)
    nodes = [node for some in lists for node in some or ()]
    return FailedRun(instance, frozenset(node.ref_doc_id or node.node_id for node in nodes))


_ENDS = _Ends()
