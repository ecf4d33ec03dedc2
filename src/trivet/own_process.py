"""What belongs to the process that made it: threads and engines do not survive a fork."""

from __future__ import annotations

import os

from trivet.errors import ForkedProcessError


class OwnProcess:
    """The process that made something which no forked one may use.

    A fork copies neither the threads that a model computes with nor those of the engine: who uses
    their other halves in the new process waits for ever. Nor may two processes write one folder,
    or answer on one connection.

    Args:
        what: is made, for the message.
        remedy: what to do in the new process.
    """

    def __init__(self, what: str, remedy: str) -> None:
        self._pid = os.getpid()
        self._what = what
        self._remedy = remedy

    @property
    def is_this(self) -> bool:
        """Whether the process that asks is the one that made it."""
        return os.getpid() == self._pid

    def require(self) -> None:
        """Refuse to go on elsewhere.

        Raises:
            ForkedProcessError: a process that was forked from the one that made it.
        """
        if not self.is_this:
            raise ForkedProcessError(
                f"expected {self._what} to be used by process {self._pid}, which made it, got "
                f"process {os.getpid()}, forked from it: {self._remedy}"
            )
