"""One translation or migration of an index at a time, in this process and on any machine."""

from __future__ import annotations

import time
import uuid
from types import TracebackType
from typing import Any

from trivet.errors import UpgradeInProgressError, UpgradeStateError
from trivet.store.generations import UpgradeRecord, UpgradeState
from trivet.store.store import Store
from trivet.store.upgrading import alone, note

# A machine that died holds up the others for so long.
LEASE_S = 120.0


class Lease:
    """The right to carry vectors over and to migrate an index, held within `with`.

    Args:
        store: of the index.
        states: at which the work goes on.

    Raises:
        UpgradeInProgressError: on entering: another holds it.
    """

    def __init__(self, store: Store, *states: UpgradeState) -> None:
        self._store = store
        self._states = states
        self._owner = uuid.uuid4().hex

    def __enter__(self) -> Lease:
        if not self._store.migrating.acquire(blocking=False):
            raise UpgradeInProgressError(
                "expected one migration of an index, got a second in this process: wait for it"
            )
        try:
            self._take()
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

    def go_on_at(self, *states: UpgradeState) -> None:
        """Hold it for work at other states from now on."""
        self._states = states

    def renew(self) -> None:
        """Hold it for longer, where half of it is over; the clocks must agree within that half.

        Raises:
            UpgradeStateError: another has taken it since, or the upgrade is over.
        """
        self.require()
        held = self._lease(self._store.manifest.upgrade)
        if self._store.is_shared and held.get("until", 0) - time.time() < LEASE_S / 2:
            with alone(self._store):
                self.require()
                self._note()

    def require(self) -> None:
        """Refuse to go on where somebody else has taken the upgrade elsewhere.

        Raises:
            UpgradeStateError: it is finished or rolled back, or another holds the lease or has
                held it since.
        """
        record = self._store.manifest.upgrade
        if self._store.is_shared and record and self._lease(record).get("owner") != self._owner:
            raise UpgradeStateError(
                "expected to be the only one who migrates this index, got another machine that "
                "has begun since this one was last heard of: leave it to that one"
            )
        if record is None or record.state not in self._states:
            raise UpgradeStateError(
                f"expected an upgrade that is {' or '.join(self._states)}, got one that was "
                "finished or rolled back meanwhile: what was written so far was right, and "
                "nothing more is written"
            )

    def _take(self) -> None:
        """Begin to hold it; one that ended is anybody's.

        Raises:
            UpgradeInProgressError: another holds it.
        """
        if not self._store.is_shared:
            return
        with alone(self._store):
            record = self._store.manifest.upgrade
            if record is None:
                raise UpgradeInProgressError(
                    "expected an upgrade under way, got one that has ended meanwhile: look where "
                    "the index is (index.current_upgrade)"
                )
            left = self._lease(record).get("until", 0) - time.time()
            if left > 0:
                raise UpgradeInProgressError(
                    "expected to be the only one who migrates this index, got another machine "
                    f"that does: wait until it is done or, should it have died, for {left:.0f} "
                    "seconds"
                )
            self._note()

    def _note(self) -> None:
        note(self._store, lease={"owner": self._owner, "until": time.time() + LEASE_S})

    def _give_back(self) -> None:
        if self._store.is_shared:
            with alone(self._store):
                if self._lease(self._store.manifest.upgrade).get("owner") == self._owner:
                    note(self._store, lease={})

    def _lease(self, record: UpgradeRecord | None) -> dict[str, Any]:
        return {} if record is None else dict(record.facts.get("lease", {}))
