"""The room where texts become representations."""

from trivet.embedding.embedder import Embedder

__all__ = ["Embedder"]
