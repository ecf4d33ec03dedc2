"""One writer among the several of an index on a server: its name, its lease, what it holds.

Whatever a writer holds carries its name and the time when its lease ends. The clocks of all
writers must agree within a quarter of a lease.
"""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timezone
from typing import Any

from qdrant_client import models

from trivet.errors import DocumentBusyError
from trivet.store.retrying import Timing
from trivet.store.server_points import Payload, ServerPoints

logger = logging.getLogger(__name__)

LOCK_FIELDS = ("writer", "expires", "token")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
# A writer at work is done sooner; beyond that, whoever waits should know what for.
QUIET_S = 5.0


class Writer:
    """One writer, under a name that no other has.

    Args:
        points: of the journal.
        namespace: of the index; what an index of the same name left behind is none of ours.
        timing: where time comes from.
        lease_s: how long the others wait for one that says nothing.
    """

    def __init__(
        self, points: ServerPoints, namespace: uuid.UUID, timing: Timing, lease_s: float
    ) -> None:
        self._points = points
        self._index = str(namespace)
        self._timing = timing
        self._renewed_s = timing.wall()
        self.lease_s = lease_s
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"

    def lock(self) -> dict[str, Any]:
        """The fields that make a point ours, for a lease from now on."""
        self._renewed_s = self._timing.wall()
        expires = self._renewed_s + self.lease_s
        return {"index": self._index, "writer": self.name, "expires": expires}

    def owns(self, payload: Payload) -> bool:
        """Whether a point that was read is ours."""
        return bool(payload.get("writer") == self.name)

    def is_kept_out_by(self, payload: Payload) -> bool:
        """Whether a point that was read belongs to another writer, whose lease is not over."""
        expires = payload.get("expires")
        return expires is not None and not self.owns(payload) and expires >= self._timing.wall()

    def in_reach(self, kind: str, slack_s: float = 0.0) -> models.Filter:
        """Points of a kind that are ours, or whose lease has been over for so long."""
        return models.Filter(
            must=[is_value("kind", kind), is_value("index", self._index)],
            should=[is_value("writer", self.name), self._is_over(slack_s)],
        )

    def out_of_reach(self, kind: str) -> models.Filter:
        """Points of a kind that belong to other writers, whose leases are not over."""
        return models.Filter(
            must=[is_value("kind", kind), is_value("index", self._index)],
            must_not=[is_value("writer", self.name), self._is_over(0.0)],
        )

    def owned(self, ids: Sequence[str]) -> models.Filter:
        """Those of the points that are ours."""
        return models.Filter(
            must=[models.HasIdCondition(has_id=list(ids)), is_value("writer", self.name)]
        )

    def claim(self, ids: Sequence[str]) -> None:
        """Make points ours whose lease is over; of several writers who try, one succeeds."""
        over = models.Filter(must=[models.HasIdCondition(has_id=list(ids)), self._is_over(0.0)])
        fields = {"writer": self.name, "expires": self._timing.wall() + self.lease_s}
        self._points.change(fields, over)

    def renew(self) -> bool:
        """Keep all that is ours for another lease, if a quarter of this one is over; whether."""
        now_s = self._timing.wall()
        if now_s < self._renewed_s + self.lease_s / 4:
            return False
        mine = models.Filter(must=[is_value("writer", self.name)])
        self._points.change({"expires": now_s + self.lease_s}, mine)
        self._renewed_s = now_s
        return True

    def wait(self, patience_s: float, blocking: Callable[[], Collection[Payload]]) -> None:
        """Return when nothing is in the way any more.

        Args:
            patience_s: how long to wait for those in the way without a sign of life from them.
            blocking: the points that are in the way now.

        Raises:
            DocumentBusyError: something was in the way all that time.
        """
        started_s = self._timing.wall()
        deadline_s = started_s + patience_s
        pause_s = FIRST_PAUSE_S
        is_told = False
        last: Collection[Payload] = ()
        while found := blocking():
            if last and found != last:
                deadline_s = self._timing.wall() + patience_s
            last = found
            if not is_told and self._timing.wall() - started_s > QUIET_S:
                is_told = True
                logger.warning("waiting for documents that are %s", holders(found))
            if self._timing.wall() >= deadline_s:
                raise DocumentBusyError(f"expected the index to be free, got it {holders(found)}")
            self._timing.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    def _is_over(self, slack_s: float) -> models.FieldCondition:
        before = models.Range(lt=self._timing.wall() - slack_s)
        return models.FieldCondition(key="expires", range=before)


def is_value(field: str, value: str) -> models.FieldCondition:
    """The condition that a field has a value."""
    return models.FieldCondition(key=field, match=models.MatchValue(value=value))


def holders(payloads: Collection[Payload]) -> str:
    """Who holds something, and until when, for a message."""
    until = {str(p["writer"]): float(p["expires"]) for p in payloads if "expires" in p}
    named = [
        f"held by writer {writer} until {_time(expires)} UTC at the latest"
        for writer, expires in sorted(until.items())
    ]
    return "; ".join(named) or "changed by another writer"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
