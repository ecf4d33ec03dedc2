"""Trivet for LangChain: store, retriever, document index, embeddings, reranker and search tool."""

from langchain_trivet.document_index import TrivetDocumentIndex
from langchain_trivet.embeddings import TrivetEmbeddings
from langchain_trivet.reranker import TrivetReranker
from langchain_trivet.retriever import TrivetRetriever
from langchain_trivet.search_tool import create_search_tool
from langchain_trivet.sparse import SparseVector, TrivetSparseEmbeddings
from langchain_trivet.thinker import LangChainThinker
from langchain_trivet.vectorstore import TrivetVectorStore

__all__ = [
    "LangChainThinker",
    "SparseVector",
    "TrivetDocumentIndex",
    "TrivetEmbeddings",
    "TrivetReranker",
    "TrivetRetriever",
    "TrivetSparseEmbeddings",
    "TrivetVectorStore",
    "create_search_tool",
]
