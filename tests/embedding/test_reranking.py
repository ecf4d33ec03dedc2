"""The reranker: late interaction, against MaxSim computed here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import trivet
from trivet.errors import InvalidInputError, InvalidQueryError, MissingHeadError

TEXTS = ["a light anchor", "sideways drift of a ship", "an anchor is dropped", "six feet"]


@pytest.fixture(scope="module")
def embedder(tiny_model: Path) -> trivet.Embedder:
    return trivet.Embedder.load(tiny_model, modes=["dense", "multi"])


def oracle(query: np.ndarray, text: np.ndarray) -> float:
    """The mean over query tokens of the best cosine, one pair after another."""
    cosines = [
        [float(q @ t / (np.linalg.norm(q) * np.linalg.norm(t))) for t in text] for q in query
    ]
    return sum(max(row) for row in cosines) / len(query)


def test_scores_are_the_mean_best_cosines_in_the_order_of_the_texts(
    embedder: trivet.Embedder,
) -> None:
    scores = trivet.Reranker(embedder).score("light anchor", TEXTS)
    [query] = embedder.embed_queries(["light anchor"]).multi.values
    each = [embedder.embed_documents([text]).multi.values[0] for text in TEXTS]
    assert scores == pytest.approx([oracle(query, text) for text in each], abs=1e-5)


def test_a_text_longer_than_the_model_reads_is_read_to_its_end(embedder: trivet.Embedder) -> None:
    filler = "drift of a ship " * 60
    reranker = trivet.Reranker(embedder)
    plain, found = reranker.score("six feet", [filler, filler + "six feet"])
    assert found > plain
    assert reranker.score("six feet", ["x" * 2000])[0] <= 1.0


def test_a_blank_text_scores_least(embedder: trivet.Embedder) -> None:
    reranker = trivet.Reranker(embedder)
    assert reranker.score("anchor", ["", "anchor", " \n"])[::2] == [-1.0, -1.0]
    assert reranker.score("anchor", []) == []
    assert reranker.score("anchor", [" "]) == [-1.0]


def test_inputs_stay_as_they_are(embedder: trivet.Embedder) -> None:
    texts = list(TEXTS)
    trivet.Reranker(embedder).score(trivet.Query("anchor"), texts)
    assert texts == TEXTS


def test_what_cannot_be_scored_is_refused(embedder: trivet.Embedder) -> None:
    with pytest.raises(MissingHeadError, match="multi"):
        trivet.Reranker(embedder.only(["dense"]))
    reranker = trivet.Reranker(embedder)
    with pytest.raises(InvalidInputError, match="position 1"):
        reranker.score("anchor", ["a", 7])
    with pytest.raises(InvalidQueryError):
        reranker.score(" ", ["a"])


@pytest.mark.model
def test_the_packaged_model_puts_the_answer_first() -> None:
    reranker = trivet.Reranker()
    texts = ["Leeway is sideways drift.", "The capstan heaves up the anchor cable."]
    leeway, capstan = reranker.score("how do sailors raise the anchor?", texts)
    assert capstan > leeway
