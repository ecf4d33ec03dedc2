"""A retriever of LlamaIndex's over a Trivet index, and its language models as thinkers."""

from llama_index.retrievers.trivet.retriever import TrivetRetriever
from llama_index.retrievers.trivet.thinker import LlamaIndexThinker

__all__ = ["LlamaIndexThinker", "TrivetRetriever"]
