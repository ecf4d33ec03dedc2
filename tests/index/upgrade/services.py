"""Models that are functions of words: fast, and as many as a test wants."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from checkpoints import WORDS
from qdrant_client import QdrantClient, models

import trivet
from trivet import CallPolicy, Embedder
from trivet.index.upgrade import Upgrade

DIMS = 24
Embed = Callable[[list[str]], np.ndarray]


def of_words(seed: int) -> Embed:
    """A text's vector: the mean of its words', each drawn by the word and the seed."""

    def word(text: str) -> np.ndarray:
        number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        return np.random.default_rng(number).standard_normal(DIMS)

    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((DIMS, DIMS)))[0]

    def embed(texts: list[str]) -> np.ndarray:
        rows = np.stack([np.mean([word(w) for w in text.split()], axis=0) for text in texts])
        rows = rows @ turn if seed else rows
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    return embed


def service(name: str, embed: Embed) -> Embedder:
    """A model that is asked once: where it fails, the pauses between attempts take half a minute."""
    policy = CallPolicy(attempts=1)
    return Embedder.wrap(name=name, dims=DIMS, documents=embed, queries=embed, policy=policy)


OLD = service("old", of_words(0))


def collected() -> QdrantClient:
    """A collection "notes" as langchain-qdrant makes it of 20 texts, in memory."""
    client = QdrantClient(":memory:")
    collect(client)
    return client


def collect(client: QdrantClient) -> None:
    """Make that collection."""
    texts = list(texts_of(20).values())
    client.create_collection("notes", models.VectorParams(size=DIMS, distance="Cosine"))
    client.upsert("notes", [
        models.PointStruct(id=i, vector=row.tolist(), payload={"page_content": text})
        for i, (text, row) in enumerate(zip(texts, of_words(0)(texts), strict=True))
    ])  # fmt: skip


def texts_of(count: int) -> dict[str, str]:
    random = np.random.default_rng(4)
    return {f"d{i}": " ".join(random.choice(WORDS, size=12)) for i in range(count)}


def taken_to(index: trivet.Index, new: Embedder | Path, mode: str) -> Upgrade:
    upgrade = index.upgrade(new)
    upgrade.plan()
    upgrade.fit()
    upgrade.verify()
    upgrade.cutover(mode, force=True)
    return upgrade
