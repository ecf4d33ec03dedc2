"""Trivet: dense, sparse and multi-vector retrieval from one embedder, on Qdrant."""

from trivet.config import Settings
from trivet.embedding import Embedder
from trivet.errors import TrivetError
from trivet.index import Index, open, repair, restore
from trivet.query import Example, Query
from trivet.reports import IngestReport
from trivet.types import Document, Hit, Representations, Space

__all__ = [
    "Document",
    "Embedder",
    "Example",
    "Hit",
    "Index",
    "IngestReport",
    "Query",
    "Representations",
    "Settings",
    "Space",
    "TrivetError",
    "open",
    "repair",
    "restore",
]
