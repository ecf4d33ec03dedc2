"""The room where a query is thought about before it is searched; still empty."""
