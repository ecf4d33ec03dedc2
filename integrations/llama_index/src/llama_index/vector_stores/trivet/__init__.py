"""A Trivet index as a vector store of LlamaIndex's."""

from llama_index.vector_stores.trivet.stand_in import StoreEmbedding
from llama_index.vector_stores.trivet.store import TrivetVectorStore

__all__ = ["StoreEmbedding", "TrivetVectorStore"]
