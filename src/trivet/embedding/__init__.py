"""The room where texts become representations."""

from trivet.embedding.embedder import Embedder
from trivet.embedding.policy import CallPolicy

__all__ = ["CallPolicy", "Embedder"]
