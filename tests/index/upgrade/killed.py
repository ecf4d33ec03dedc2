"""Children that take a step of an upgrade and die in it: `python killed.py`.

Reads a line for each child that is forked, and prints what became of it:

    FOLDER STEP N          dies by SIGKILL after the N-th thing that it did to the index (manifest,
                           engine or journal): "killed", or "done" where there were fewer
    FOLDER migrate-for S MODEL   is killed after S seconds of processor time in `migrate`, wherever
                           that may be: the same, with the seconds that it took
    URL COLLECTION         migrates an index on a server: "refused", or "done"
"""

from __future__ import annotations

import os
import signal
import sys
import time

import torch  # loaded once, before the children are forked

import trivet
from trivet.errors import UpgradeInProgressError
from trivet.index.upgrade import migrating
from trivet.store.current import CurrentManifest
from trivet.store.edge import EdgeEngine
from trivet.store.sqlite_journal import SqliteJournal

WATCHED = [
    (CurrentManifest, "become"),
    (EdgeEngine, "add_space"),
    (EdgeEngine, "set_vectors"),
    (EdgeEngine, "drop_vectors"),
    (SqliteJournal, "keep"),
    (SqliteJournal, "forget"),
]
REFUSED = 17


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


def step_and_die(folder, step, count):
    with trivet.open(folder) as index:
        die_after(int(count))
        take(index, step)
    return 0


def migrate(folder, embedder, begun):
    """Migrate in small batches, and say when it begins."""
    migrating.BATCH = 8
    with trivet.open(folder, model=embedder) as index:
        upgrade = index.current_upgrade
        os.write(begun, b"x")
        upgrade.migrate("id")
    return 0


def migrate_on_a_server(url, collection):
    with trivet.open(url, collection=collection) as index:
        try:
            index.current_upgrade.migrate()
        except UpgradeInProgressError:
            return REFUSED
    return 0


def kill_in_time(child, begun, seconds):
    """Kill a child after so much of its processor time; returns how much it took."""
    os.read(begun, 1)
    clock = (~child << 3) | 2  # the processor time of another process: clock_getcpuclockid(3)
    start = now = time.clock_gettime(clock)
    while now - start < seconds:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return now - start, status
        time.sleep(0.0005)
        try:
            now = time.clock_gettime(clock)
        except OSError:
            break
    os.kill(child, signal.SIGKILL)
    return now - start, os.waitpid(child, 0)[1]


def main():
    torch.set_num_threads(1)  # a child has no other thread
    embedders = {}
    for line in sys.stdin:
        words = line.split()
        if "migrate-for" in words and words[3] not in embedders:
            embedders[words[3]] = trivet.Embedder.load(words[3])
            embedders[words[3]].embed_documents(["its weights are loaded now"])
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            if "migrate-for" in words:
                code = migrate(words[0], embedders[words[3]], writing)
            else:
                code = (migrate_on_a_server if len(words) == 2 else step_and_die)(*words)
            os._exit(code)
        os.close(writing)
        took = ""
        if "migrate-for" in words:
            seconds, status = kill_in_time(child, reading, float(words[2]))
            took = f" {seconds}"
        else:
            _, status = os.waitpid(child, 0)
        os.close(reading)
        if os.WIFSIGNALED(status):
            answer = f"killed{took}"
        elif os.WEXITSTATUS(status) == REFUSED:
            answer = "refused"
        else:
            answer = f"done {status}{took}"
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
