"""A retriever of LlamaIndex's over a Trivet index."""

from llama_index.retrievers.trivet.retriever import TrivetRetriever

__all__ = ["TrivetRetriever"]
