"""The process that runs Edge's optimizer: `python -m trivet.store.compaction FOLDER PARENT`.

The optimizer keeps Python's lock for as long as it runs, which would stop every query of the
process that it runs in.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import qdrant_edge

from trivet.store.log_room import close_with_small_log

# Queries of the parent come first on a busy machine.
NICENESS = 10
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(arguments: Sequence[str]) -> int:
    """Optimize the shard in a folder that nobody else has open.

    Args:
        arguments: the folder, and the id of the process that waits for this one.

    Returns:
        The exit code.
    """
    folder, parent = arguments[0], int(arguments[1])
    _die_with(parent)
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    shard = qdrant_edge.EdgeShard.load(folder, None)
    shard.optimize()
    close_with_small_log(shard, Path(folder))
    return 0


def _die_with(parent: int) -> None:
    """End when the parent does, where the system knows how; elsewhere the work is in vain."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
