"""Trivet: dense, sparse and multi-vector retrieval from one embedder, on Qdrant."""
