"""A tool by which LlamaIndex's agents search."""

from llama_index.tools.trivet.search_tool import SearchTool, search_tool

__all__ = ["SearchTool", "search_tool"]
