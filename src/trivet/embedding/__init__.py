"""The room where texts become representations."""

from trivet.embedding.embedder import Embedder
from trivet.embedding.policy import CallPolicy
from trivet.embedding.reranking import Reranker

__all__ = ["CallPolicy", "Embedder", "Reranker"]
