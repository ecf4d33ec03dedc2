"""Long texts are cut into chunks that the model reads whole, and come back as they were."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import trivet
from trivet import Document
from trivet.embedding.checkpoint import CheckpointEmbedder
from trivet.errors import TextTooLongError


class WatchedSplitter:
    """A splitter that takes down how many characters it was given each time."""

    def __init__(self, splitter: object, given: list[int]) -> None:
        self._splitter = splitter
        self._given = given

    def chunk_indices(self, text: str) -> list[tuple[int, str]]:
        self._given.append(len(text))
        return self._splitter.chunk_indices(text)


def test_text_without_sentences_is_cut_in_time_that_grows_with_it(
    open_index: Callable[..., trivet.Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ",".join(str(n * n) for n in range(4000))
    chinese = "锚使船保持在原位" * 1500
    given, made = list[int](), CheckpointEmbedder.text_splitter
    monkeypatch.setattr(
        CheckpointEmbedder, "text_splitter", lambda self, n: WatchedSplitter(made(self, n), given)
    )
    index = open_index(modes=["dense"])
    assert index.add([rows, chinese], ids=["rows", "chinese"]).failed == ()
    # The splitter's time grows with the square of what it is given, so that has to be bounded.
    assert max(given) <= 10_000 < len(chinese) < len(rows)
    assert sum(given) >= len(rows) + len(chinese)
    assert [document.text for document in index.get(["rows", "chinese"])] == [rows, chinese]


def test_a_long_document_is_cut_and_comes_back_whole(index: trivet.Index) -> None:
    text = "\n\n".join(
        f"Anchor number {n} keeps ship {n} in place.   Wind, wave and tide {n} move it."
        for n in range(60)
    )
    index.add([Document("  " + text + " \n", "long", "On anchors", {"a": 1})])
    assert index.get(["long"])[0].text == "  " + text + " \n"
    chunks = index.search("ship 41", k=100, chunks=True)
    assert len(chunks) == index.describe().chunks > 20
    for hit in chunks:
        assert hit.text == ("  " + text + " \n")[slice(*hit.span)]
        assert hit.metadata == {"a": 1}
    (hit,) = index.search("ship 41", k=5)
    assert (hit.id, hit.text) == ("long", chunks[0].text)


def test_no_chunk_is_longer_than_the_model_reads(
    open_index: Callable[..., trivet.Index], tiny_embedder: trivet.Embedder
) -> None:
    index = open_index(settings=trivet.Settings(chunk_tokens=40))
    title = "kedge and anchor"
    index.add([Document("anchor sail wind " * 400, "x", title)])
    pieces = [f"{title} {h.text}" for h in index.search("sail", k=500, chunks=True)]
    counts = tiny_embedder.count_tokens(pieces)
    assert max(counts) <= 40
    assert np.median(counts) >= 30


def test_a_title_that_fills_the_window_is_reported(index: trivet.Index) -> None:
    documents = [Document("short " * 60, "t", "anchor " * 50), Document("fine", "f")]
    report = index.add(documents)
    assert report.added == 1
    assert isinstance(report.failed[0].error, TextTooLongError)
    assert "title" in str(report.failed[0].error)


@pytest.mark.slow
def test_a_text_of_five_megabytes(open_index: Callable[..., trivet.Index], location: str) -> None:
    if location == ":memory:" or "127.0.0.1" in location:  # the stub answers by the exact engine
        pytest.skip("the exact engine is for thousands of points")
    index = open_index(modes=["dense", "sparse"])
    line = "The captain and the crew keep {} anchors on deck in the storm of year {}.\n"
    text = "".join(line.format(n % 13, n) for n in range(70_000))[:5_000_000]
    report = index.add([text], ids=["big"])
    assert (report.added, report.failed) == (1, ())
    assert index.get(["big"])[0].text == text
    hit = index.search("year 51234", k=1, modes=["sparse"])[0]
    assert "51234" in hit.text
    assert index.upsert(["now small"], ids=["big"]).replaced == 1
    assert index.describe().chunks == 1
