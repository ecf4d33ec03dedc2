"""An index in memory, embedded by the tiny checkpoint, and queries that fit it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from judged import WORDS

import trivet
from trivet.evaluation import Evaluation, evaluate


@pytest.fixture(scope="session")
def tiny_embedder(tiny_model: Path) -> trivet.Embedder:
    return trivet.Embedder.load(tiny_model)


@pytest.fixture(scope="package")
def index(
    tiny_embedder: trivet.Embedder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[trivet.Index]:
    """A document for each word, which holds it and the next one."""
    folder = tmp_path_factory.mktemp("judged") / "index"
    with trivet.open(folder, model=tiny_embedder, modes=["dense", "sparse", "multi"]) as index:
        following = WORDS[1:] + WORDS[:1]
        index.add(
            [f"the {word} and a {after}" for word, after in zip(WORDS, following, strict=True)],
            ids=WORDS,
        )
        yield index


@pytest.fixture(scope="package")
def queries() -> Mapping[str, str]:
    return MappingProxyType({f"q-{word}": word for word in WORDS})


@pytest.fixture(scope="package")
def qrels() -> Mapping[str, dict[str, int]]:
    """The document of the word is what is wanted."""
    return MappingProxyType({f"q-{word}": {word: 1} for word in WORDS})


@pytest.fixture(scope="package")
def found(
    index: trivet.Index, queries: Mapping[str, str], qrels: Mapping[str, dict[str, int]]
) -> Evaluation:
    return evaluate(index, queries, qrels)
