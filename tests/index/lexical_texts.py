"""Texts of several languages, and an index whose sparse leg is held against BM25."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import trivet
from trivet.index import lexicon
from trivet.store.store import Store

GERMAN = [
    "Der Anker hält das Schiff an seinem Platz.",
    "Die Häuser am Hafen sind alt und schön.",
    "Auf dem Meer ist es heute sehr still.",
    "Der Kapitän liest am Abend in einem Buch.",
]
ENGLISH = [
    "The anchor keeps the ship in its place.",
    "The houses at the harbour are old and beautiful.",
    "It is very quiet at sea today.",
    "The captain reads a book in the evening.",
]
CHINESE = ["锚使船保持在原位。", "港口的房子又老又美。", "今天海上很安静。", "船长晚上看书。"]
JAPANESE = ["錨は船を固定します。", "港の家は古くて美しいです。", "今日の海はとても静かです。"]
Open = Callable[..., trivet.Index]


def language(index: trivet.Index) -> object:
    (space,) = (space for space in index.describe().spaces if space.mode == "sparse")
    return space.facts["language"]


def require_consistent(index: trivet.Index) -> None:
    """Stored vectors, lengths and average are those of the language that is recorded."""
    store: Store = index._store
    state = store.manifest.lexical
    bm25 = lexicon.bm25_for(state)
    assert store.manifest.spaces["sparse"] == bm25.space
    counted: Counter[str] = Counter()
    for page in store.pages():
        for chunk in page:
            (length,) = bm25.count_terms([bm25.render(chunk.title, chunk.text)])
            counted[chunk.document] += length
    assert store.journal.totals().terms == counted.total()
    assert {id: e.terms for id, e in store.journal.entries(list(counted)).items()} == counted


def numbered(texts: list[str], n: int) -> list[str]:
    return [f"{texts[i % len(texts)]} {i}" for i in range(n)]
