"""What finishes an interrupted replacement, kept on a server in pieces that a request can hold."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qdrant_client import models

from trivet.errors import IndexDamagedError
from trivet.store.keys import shown
from trivet.store.server_points import Payload, ServerPoints
from trivet.store.server_writer import Writer

# Far below what a server takes in one request.
PIECE_BYTES = 1_000_000
PIECES_READ = 4
KIND = "redo"


@dataclass(frozen=True)
class Hold:
    """What a writer has open for a document: the opening's token, and its pieces of redo."""

    token: str
    pieces: int


class Redo:
    """The pieces of all open entries of one index.

    A piece's id is made of its opening's token, so that writers who open the same document do not
    write over each other's; pieces are written before the entry that they belong to is opened.

    Args:
        points: of the journal.
        writer: whose pieces are written.
        namespace: of the index.
    """

    def __init__(self, points: ServerPoints, writer: Writer, namespace: uuid.UUID) -> None:
        self._points = points
        self._writer = writer
        self._namespace = namespace

    def write(self, token: str, redo: Mapping[str, bytes | None]) -> dict[str, Hold]:
        """Write the redo of each document; what is held for it then."""
        lock = {**self._writer.lock(), "token": token}
        holds: dict[str, Hold] = {}
        points = []
        for document, stored in redo.items():
            text = base64.b64encode(stored or b"").decode()
            pieces = [text[i : i + PIECE_BYTES] for i in range(0, len(text), PIECE_BYTES)]
            holds[document] = Hold(token, len(pieces))
            points += [
                models.PointStruct(id=id, vector={}, payload={"kind": KIND, **lock, "redo": piece})
                for id, piece in zip(self.ids(document, holds[document]), pieces, strict=True)
            ]
        self._points.write(points)
        return holds

    def read(self, document: str, hold: Hold) -> bytes | None:
        """The redo of a document; None if it has none.

        Raises:
            IndexDamagedError: a piece is missing.
        """
        ids = self.ids(document, hold)
        if not ids:
            return None
        found: dict[str, Payload] = {}
        for start in range(0, len(ids), PIECES_READ):
            found.update(self._points.retrieve(ids[start : start + PIECES_READ]))
        if len(found) < len(ids):
            raise IndexDamagedError(
                f"document {shown(document)}: expected {len(ids)} pieces to finish its replacement "
                f"from, got {len(found)}: restore the index from snapshots of both collections"
            )
        return base64.b64decode("".join(found[id]["redo"] for id in ids))

    def claim(self, holds: Mapping[str, Hold]) -> None:
        """Make the pieces ours whose lease is over."""
        ids = [id for document, hold in holds.items() for id in self.ids(document, hold)]
        if ids:
            self._writer.claim(ids)

    def ids(self, document: str, hold: Hold) -> list[str]:
        """The points that hold the redo of a document."""
        keys = (
            f"journal\x1f{KIND}\x1f{hold.token}\x1f{document}\x1f{n}" for n in range(hold.pieces)
        )
        return [str(uuid.uuid5(self._namespace, key)) for key in keys]

    def sweep(self, kept: Sequence[Hold]) -> None:
        """Delete the pieces in reach that belong to none of these."""
        # Another writer may be about to make those its own whose lease is just over.
        stray = self._writer.in_reach(KIND, slack_s=self._writer.lease_s)
        tokens = sorted({hold.token for hold in kept})
        if tokens:
            ours = models.FieldCondition(key="token", match=models.MatchAny(any=tokens))
            stray = stray.model_copy(update={"must_not": [ours]})
        # Mostly there are none, and whoever only reads may have no right to delete.
        if self._points.count(stray):
            self._points.delete_where(stray)
