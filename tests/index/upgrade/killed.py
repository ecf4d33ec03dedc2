"""Children that take a step of an upgrade and die in it: `python killed.py`.

Reads lines "FOLDER STEP N" and forks a child for each, which dies by SIGKILL after the N-th thing
that it did to the index (manifest or engine). Prints "killed", or "done" where there were fewer.
"""

from __future__ import annotations

import os
import signal
import sys

import torch  # noqa: F401  (loaded once, before the children are forked)

import trivet
from trivet.store.current import CurrentManifest
from trivet.store.edge import EdgeEngine

WATCHED = [
    (CurrentManifest, "become"),
    (EdgeEngine, "add_space"),
    (EdgeEngine, "set_vectors"),
    (EdgeEngine, "drop_vectors"),
]


def die_after(count):
    left = [count]

    def watched(call):
        def wrapper(*arguments):
            result = call(*arguments)
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return wrapper

    for owner, name in WATCHED:
        setattr(owner, name, watched(getattr(owner, name)))


def take(index, step):
    upgrade = index.current_upgrade
    if step == "translate":
        upgrade.cutover("translate")
    else:
        getattr(upgrade, step)()


def main():
    for line in sys.stdin:
        folder, step, count = line.split()
        child = os.fork()
        if child == 0:
            with trivet.open(folder) as index:
                die_after(int(count))
                take(index, step)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write("killed\n" if os.WIFSIGNALED(status) else f"done {status}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
