"""Spans of OpenTelemetry for what an application wants to see: embed, retrieve and rerank.

The attributes have the names of the OpenInference conventions. Only the API is used: without an SDK
nothing is recorded, and nothing of a span is computed. Texts are recorded only where
`OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` is "true", and then, too, not where one of
OpenInference's `OPENINFERENCE_HIDE_INPUTS` and `OPENINFERENCE_HIDE_OUTPUTS` is. Errors are recorded
by their class: their messages may quote texts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeAlias

from trivet.types import Hit

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_ASKED_FOR = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_HIDE_INPUTS = "OPENINFERENCE_HIDE_INPUTS"
_HIDE_OUTPUTS = "OPENINFERENCE_HIDE_OUTPUTS"

RecordHits: TypeAlias = "Callable[[list[list[Hit]]], list[list[Hit]]]"
RecordScores: TypeAlias = "Callable[[list[float]], list[float]]"


@contextmanager
def embedding(call: str, model: str, texts: Sequence[str]) -> Iterator[None]:
    """A span around the embedding of texts.

    Args:
        call: what is called.
        model: name of the model.
        texts: what is embedded.
    """
    with _span(f"trivet.{call}", "EMBEDDING") as span:
        if span.is_recording():
            span.set_attribute("embedding.model_name", model)
            span.set_attribute("trivet.texts", len(texts))
            if _shows(_HIDE_INPUTS):
                for i, text in enumerate(texts):
                    span.set_attribute(f"embedding.embeddings.{i}.embedding.text", text)
        yield


@contextmanager
def retrieval(queries: Sequence[str], k: int) -> Iterator[RecordHits]:
    """A span around a search, and where there are several queries one more for each.

    Args:
        queries: what is asked.
        k: hits wanted of each.

    Yields:
        What records the hits of each query, and returns them as they are.
    """
    with ExitStack() as stack:
        if len(queries) == 1:
            spans = [stack.enter_context(_span("trivet.search", "RETRIEVER"))]
        else:
            whole = stack.enter_context(_span("trivet.search_many", "CHAIN"))
            each = queries if whole.is_recording() else ()
            spans = [stack.enter_context(_beside("trivet.search", "RETRIEVER")) for _ in each]
        for span, query in zip(spans, queries, strict=False):
            if span.is_recording():
                span.set_attribute("trivet.k", k)
                if _shows(_HIDE_INPUTS):
                    span.set_attribute("input.value", query)

        def record(found: list[list[Hit]]) -> list[list[Hit]]:
            for span, hits in zip(spans, found, strict=False):
                if span.is_recording():
                    _record_hits(span, hits)
            return found

        yield record


@contextmanager
def reranking(model: str, query: str, texts: Sequence[str]) -> Iterator[RecordScores]:
    """A span around a reranking.

    Args:
        model: name of the model.
        query: what is asked.
        texts: what is scored.

    Yields:
        What records the scores, and returns them as they are.
    """
    with _span("trivet.rerank", "RERANKER") as span:
        if span.is_recording():
            span.set_attribute("reranker.model_name", model)
            span.set_attribute("trivet.texts", len(texts))
            if _shows(_HIDE_INPUTS):
                span.set_attribute("reranker.query", query)
                for i, text in enumerate(texts):
                    name = f"reranker.input_documents.{i}.document.content"
                    span.set_attribute(name, text)

        def record(scores: list[float]) -> list[float]:
            if span.is_recording():
                for i, score in enumerate(scores):
                    span.set_attribute(f"reranker.output_documents.{i}.document.score", score)
            return scores

        yield record


def _record_hits(span: Span, hits: Sequence[Hit]) -> None:
    shows = _shows(_HIDE_OUTPUTS)
    for i, hit in enumerate(hits):
        name = f"retrieval.documents.{i}.document"
        span.set_attribute(f"{name}.id", hit.id)
        span.set_attribute(f"{name}.score", hit.score)
        if shows:
            span.set_attribute(f"{name}.content", hit.text)
            span.set_attribute(f"{name}.metadata", _as_json(hit.metadata))


def _as_json(metadata: Mapping[str, object]) -> str:
    return json.dumps(metadata, ensure_ascii=False)


def _shows(hidden: str) -> bool:
    return _is_true(_ASKED_FOR) and not _is_true(hidden)


def _is_true(name: str) -> bool:
    return os.environ.get(name, "").strip().lower() == "true"


@contextmanager
def _span(name: str, kind: str) -> Iterator[Span]:
    """A span that is the current one, and is named after an error that ends it."""
    # A door: the API takes as long to import as the rest of this package.
    from opentelemetry import trace

    tracer = trace.get_tracer("trivet")
    with (
        tracer.start_as_current_span(
            name, record_exception=False, set_status_on_exception=False
        ) as span,
        _marked(span, kind),
    ):
        yield span


@contextmanager
def _beside(name: str, kind: str) -> Iterator[Span]:
    """A span that does not become the current one."""
    from opentelemetry import trace

    span = trace.get_tracer("trivet").start_span(name)
    try:
        with _marked(span, kind):
            yield span
    finally:
        span.end()


@contextmanager
def _marked(span: Span, kind: str) -> Iterator[None]:
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("openinference.span.kind", kind)
    try:
        yield
    except BaseException as error:
        span.set_attribute("error.type", type(error).__qualname__)
        span.set_status(Status(StatusCode.ERROR, type(error).__qualname__))
        raise
