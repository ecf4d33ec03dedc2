"""Trivet's embedders as LlamaIndex's: dense vectors, and sparse ones."""

from llama_index.embeddings.trivet.dense import TrivetEmbedding
from llama_index.embeddings.trivet.sparse import TrivetSparseEmbedding

__all__ = ["TrivetEmbedding", "TrivetSparseEmbedding"]
