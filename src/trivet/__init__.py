"""Trivet: dense, sparse and multi-vector retrieval from one embedder, on Qdrant."""

from trivet.config import Lexical, ServerSettings, Settings
from trivet.embedding import CallPolicy, Embedder, Reranker
from trivet.errors import TrivetError
from trivet.index import Index, Snapshots, adopt, open, repair, restore
from trivet.packing import Citation, Packed, pack
from trivet.plan import Plan
from trivet.query import Example, Query
from trivet.reports import IngestReport
from trivet.store.scope import ALL
from trivet.types import Document, Hit, Representations, Space

__all__ = [
    "ALL",
    "CallPolicy",
    "Citation",
    "Document",
    "Embedder",
    "Example",
    "Hit",
    "Index",
    "IngestReport",
    "Lexical",
    "Packed",
    "Plan",
    "Query",
    "Representations",
    "Reranker",
    "ServerSettings",
    "Settings",
    "Snapshots",
    "Space",
    "TrivetError",
    "adopt",
    "open",
    "pack",
    "repair",
    "restore",
]
