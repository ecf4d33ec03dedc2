"""The room where representations meet Qdrant."""
