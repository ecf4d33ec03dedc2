"""LangChain's own suites, all of their tests, in a folder and in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.tools import BaseTool
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import (
    EmbeddingsIntegrationTests,
    RetrieversIntegrationTests,
    ToolsIntegrationTests,
    VectorStoreIntegrationTests,
)
from langchain_tests.integration_tests.indexer import (
    AsyncDocumentIndexTestSuite,
    DocumentIndexerTestSuite,
)
from langchain_tests.unit_tests import EmbeddingsUnitTests, ToolsUnitTests
from langchain_trivet import (
    TrivetDocumentIndex,
    TrivetEmbeddings,
    TrivetRetriever,
    TrivetVectorStore,
    create_search_tool,
)

import trivet

TEXTS = [
    "A kedge is a light anchor.",
    "Leeway is sideways drift.",
    "A fathom is six feet.",
    "The capstan heaves up the anchor cable.",
    "The bilge collects water.",
]


def utf8(text: str) -> int:
    return len(text.encode())


class TestVectorStore(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, location: str) -> Iterator[VectorStore]:
        store = TrivetVectorStore(location=location, embedding=self.get_embeddings())
        yield store
        store.close()


class TestRetriever(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def filled(self, index: trivet.Index) -> None:
        index.add(TEXTS)
        self.index = index

    @property
    def retriever_constructor(self) -> type[TrivetRetriever]:
        return TrivetRetriever

    @property
    def retriever_constructor_params(self) -> dict:
        return {"index": self.index}

    @property
    def retriever_query_example(self) -> str:
        return "what heaves up an anchor?"


class EmbeddingsOfTheTinyModel:
    @pytest.fixture(autouse=True)
    def loaded(self, tiny_model: Path) -> None:
        self.model = tiny_model

    @property
    def embeddings_class(self) -> type[Embeddings]:
        return TrivetEmbeddings

    @property
    def embedding_model_params(self) -> dict:
        return {"model": self.model}


class TestEmbeddingsUnit(EmbeddingsOfTheTinyModel, EmbeddingsUnitTests):
    pass


class TestEmbeddings(EmbeddingsOfTheTinyModel, EmbeddingsIntegrationTests):
    pass


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
class TestDocumentIndex(DocumentIndexerTestSuite):
    @pytest.fixture
    def index(self, open_index: Callable[..., trivet.Index]) -> TrivetDocumentIndex:
        return TrivetDocumentIndex(index=open_index())


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
class TestDocumentIndexAsync(AsyncDocumentIndexTestSuite):
    @pytest.fixture
    async def index(self, open_index: Callable[..., trivet.Index]) -> TrivetDocumentIndex:
        return TrivetDocumentIndex(index=open_index())


class SearchTool:
    @pytest.fixture(autouse=True)
    def filled(self, index: trivet.Index) -> None:
        index.add(TEXTS)
        self.tool = create_search_tool(TrivetRetriever(index=index), encoding=utf8)

    @property
    def tool_constructor(self) -> BaseTool:
        return self.tool

    @property
    def tool_invoke_params_example(self) -> dict:
        return {"query": "anchor"}


class TestToolUnit(SearchTool, ToolsUnitTests):
    pass


class TestTool(SearchTool, ToolsIntegrationTests):
    pass


def test_no_suite_shrank() -> None:
    suites = {
        TestVectorStore: 25,
        TestRetriever: 5,
        TestEmbeddingsUnit: 3,
        TestEmbeddings: 5,
        TestDocumentIndex: 11,
        TestDocumentIndexAsync: 11,
        TestToolUnit: 6,
        TestTool: 5,
    }
    for suite, tests in suites.items():
        assert len([name for name in dir(suite) if name.startswith("test_")]) >= tests, suite
