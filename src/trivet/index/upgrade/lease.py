"""One migration of an index at a time, in this process and on any other machine."""

from __future__ import annotations

import time
import uuid
from types import TracebackType
from typing import Any

from trivet.errors import UpgradeInProgressError, UpgradeStateError
from trivet.store.generations import UpgradeRecord
from trivet.store.store import Store
from trivet.store.upgrading import alone, note

# A machine that died holds up the others for so long.
LEASE_S = 120.0


class Lease:
    """The right to migrate an index, held within `with`.

    Args:
        store: of the index.

    Raises:
        UpgradeInProgressError: on entering or renewing: another holds it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._owner = uuid.uuid4().hex

    def __enter__(self) -> Lease:
        if not self._store.migrating.acquire(blocking=False):
            raise UpgradeInProgressError(
                "expected one migration of an index, got a second in this process: wait for it"
            )
        try:
            self._take(UpgradeInProgressError)
        except BaseException:
            self._store.migrating.release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._give_back()
        finally:
            self._store.migrating.release()

    def renew(self) -> None:
        """Hold it for longer, where half of it is over; the clocks must agree within that half."""
        held = self._lease(self._store.manifest.upgrade)
        if self._store.is_shared and held.get("until", 0) - time.time() < LEASE_S / 2:
            self._take(UpgradeStateError)

    def _take(self, refused: type[UpgradeInProgressError | UpgradeStateError]) -> None:
        if not self._store.is_shared:
            return
        with alone(self._store):
            record = self._store.manifest.upgrade
            held = self._lease(record)
            is_mine = held.get("owner") in (None, self._owner)
            if record is None or (not is_mine and held["until"] > time.time()):
                raise refused(
                    "expected to be the only one who migrates this index, got another machine "
                    "that does, or an upgrade that is over: wait until it is done"
                )
            lease = {"owner": self._owner, "until": time.time() + LEASE_S}
            note(self._store, lease=lease)

    def _give_back(self) -> None:
        if self._store.is_shared:
            with alone(self._store):
                if self._lease(self._store.manifest.upgrade).get("owner") == self._owner:
                    note(self._store, lease={})

    def _lease(self, record: UpgradeRecord | None) -> dict[str, Any]:
        return {} if record is None else dict(record.facts.get("lease", {}))
