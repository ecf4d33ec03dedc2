"""Spans: what an SDK sees of embedding, searching and reranking, and what it does not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import trivet
from trivet.errors import TextTooLongError

ANCHOR, DRIFT = "a light anchor", "sideways drift"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    # The provider of a process can be set once; here it lasts for one test.
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    for name in ("INPUTS", "OUTPUTS"):
        monkeypatch.delenv(f"OPENINFERENCE_HIDE_{name}", raising=False)
    monkeypatch.delenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", raising=False)
    yield exporter
    provider.shutdown()


@pytest.fixture
def index(tiny_model: Path, spans: InMemorySpanExporter) -> Iterator[trivet.Index]:
    with trivet.open(":memory:", model=tiny_model) as index:
        index.add([ANCHOR, DRIFT], ids=["a", "b"], metadatas=[{"part": "gear"}, {}])
        index.search(ANCHOR)  # the first one embeds canaries
        spans.clear()
        yield index


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name == name]


def written(spans: InMemorySpanExporter) -> str:
    return " ".join(span.to_json() for span in spans.get_finished_spans())


def test_a_search_is_a_retriever_around_an_embedding(
    index: trivet.Index, spans: InMemorySpanExporter
) -> None:
    hits = index.search(ANCHOR, k=2)
    (search,) = named(spans, "trivet.search")
    (embed,) = named(spans, "trivet.embed_queries")
    assert search.attributes["openinference.span.kind"] == "RETRIEVER"
    assert embed.attributes["openinference.span.kind"] == "EMBEDDING"
    assert embed.parent.span_id == search.context.span_id
    for i, hit in enumerate(hits):
        assert search.attributes[f"retrieval.documents.{i}.document.id"] == hit.id
        assert search.attributes[f"retrieval.documents.{i}.document.score"] == hit.score


def test_each_of_many_searches_has_a_span(index: trivet.Index, spans: InMemorySpanExporter) -> None:
    index.search_many([ANCHOR, DRIFT], k=1)
    (whole,) = named(spans, "trivet.search_many")
    each = named(spans, "trivet.search")
    best = [span.attributes["retrieval.documents.0.document.id"] for span in each]
    assert sorted(best) == ["a", "b"]
    assert {span.parent.span_id for span in each} == {whole.context.span_id}
    assert whole.attributes["openinference.span.kind"] == "CHAIN"


async def test_searches_of_an_event_loop_stay_in_the_traces_of_those_who_ask(
    index: trivet.Index, spans: InMemorySpanExporter
) -> None:
    async def ask(query: str) -> str:
        with trace.get_tracer("test").start_as_current_span(query):
            return (await index.asearch(query, k=1))[0].id

    assert await asyncio.gather(ask(ANCHOR), ask(DRIFT)) == ["a", "b"]
    parents = {span.context.span_id: span.name for span in spans.get_finished_spans()}
    each = named(spans, "trivet.search")
    found = {
        parents[span.parent.span_id]: span.attributes["retrieval.documents.0.document.id"]
        for span in each
    }
    assert found == {ANCHOR: "a", DRIFT: "b"}
    searches = {span.context.span_id for span in each}
    embeds = named(spans, "trivet.embed_queries")
    assert embeds
    assert {span.parent.span_id for span in embeds} <= searches


def test_a_reranking_has_a_span(tiny_model: Path, spans: InMemorySpanExporter) -> None:
    reranker = trivet.Reranker(trivet.Embedder.load(tiny_model, modes=["multi"]))
    scores = reranker.score(DRIFT, [ANCHOR, DRIFT])
    (span,) = named(spans, "trivet.rerank")
    assert span.attributes["openinference.span.kind"] == "RERANKER"
    assert span.attributes["reranker.model_name"] == str(tiny_model)
    names = [f"reranker.output_documents.{i}.document.score" for i in (0, 1)]
    assert [span.attributes[name] for name in names] == scores


def test_no_text_is_recorded_unless_it_is_asked_for(
    index: trivet.Index, tiny_model: Path, spans: InMemorySpanExporter
) -> None:
    index.search(ANCHOR)
    index.search_many([DRIFT, ANCHOR])
    trivet.Reranker(trivet.Embedder.load(tiny_model, modes=["multi"])).score(DRIFT, [ANCHOR])
    with pytest.raises(TextTooLongError):
        index.search(f"{ANCHOR} " * 200)
    assert ANCHOR not in written(spans)
    assert DRIFT not in written(spans)
    assert "gear" not in written(spans)
    (*_, failed) = named(spans, "trivet.search")
    assert failed.attributes["error.type"] == "TextTooLongError"
    assert not failed.status.is_ok


def test_texts_are_recorded_where_they_are_asked_for_and_not_hidden(
    index: trivet.Index, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    index.search(ANCHOR, k=1)
    (search,) = named(spans, "trivet.search")
    (embed,) = named(spans, "trivet.embed_queries")
    assert search.attributes["input.value"] == ANCHOR
    assert search.attributes["retrieval.documents.0.document.content"] == ANCHOR
    metadata = search.attributes["retrieval.documents.0.document.metadata"]
    assert json.loads(metadata) == {"part": "gear"}
    assert embed.attributes["embedding.embeddings.0.embedding.text"] == ANCHOR
    spans.clear()
    monkeypatch.setenv("OPENINFERENCE_HIDE_INPUTS", "true")
    index.search(DRIFT, k=1, filter={"part": "gear"})
    (search,) = named(spans, "trivet.search")
    assert "input.value" not in search.attributes
    assert search.attributes["retrieval.documents.0.document.content"] == ANCHOR
    assert DRIFT not in written(spans)


def test_without_an_sdk_nothing_is_recorded(
    index: trivet.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    seen = []
    monkeypatch.setattr(trace.NonRecordingSpan, "is_recording", lambda self: seen.append(1))
    assert index.search(ANCHOR, k=1)[0].id == "a"
    assert seen
