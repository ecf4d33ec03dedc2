"""Late interaction as a node postprocessor of LlamaIndex's."""

from llama_index.postprocessor.trivet.reranker import TrivetReranker

__all__ = ["TrivetReranker"]
