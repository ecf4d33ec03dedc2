"""What an index on a server keeps by name in its journal: drift maps, canaries and the like."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Collection, Sequence

from qdrant_client import models

from trivet.store.server_entries import entry_id
from trivet.store.server_points import ServerPoints
from trivet.store.server_writer import is_value


class Kept:
    """Bytes by name, each a point of the journal.

    Args:
        points: of the journal's collection.
        namespace: of the index.
    """

    def __init__(self, points: ServerPoints, namespace: uuid.UUID) -> None:
        self._points = points
        self._namespace = namespace

    def read(self, name: str) -> bytes | None:
        """What is kept under a name; None if nothing is."""
        id = entry_id(self._namespace, "kept", name)
        payload = self._points.retrieve([id]).get(id)
        return None if payload is None else base64.b64decode(payload["content"])

    def write(self, name: str, content: bytes) -> bytes:
        """Keep bytes under a name; returns those that were first."""
        first = self.read(name)
        if first is not None:  # as mostly; whoever only reads may have no right to write
            return first
        encoded = base64.b64encode(content).decode("ascii")
        point = models.PointStruct(
            id=entry_id(self._namespace, "kept", name),
            vector={},
            payload={"kind": "kept", "name": name, "content": encoded},
        )
        self._points.write([point], models.UpdateMode.INSERT_ONLY)
        return self.read(name) or content

    def forget(self, prefixes: Sequence[str], but: Collection[str]) -> None:
        """Drop what is kept under names that begin with one of these, but for some names."""
        where = models.Filter(must=[is_value("kind", "kept")])
        gone = [
            id
            for page in self._points.pages(where, fields=["name"])
            for id, payload in page.items()
            if payload.get("name", "").startswith(tuple(prefixes)) and payload["name"] not in but
        ]
        self._points.delete(gone)
