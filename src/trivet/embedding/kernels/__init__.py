"""Kernels: ways to run a backbone, each held to the torch reference."""
