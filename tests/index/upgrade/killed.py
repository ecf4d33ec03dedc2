"""Children that take a step of an upgrade and die in it: `python killed.py`.

Reads a line for each child that is forked, and prints what became of it:

    FOLDER STEP N          dies by SIGKILL after the N-th thing that it did to the index (manifest,
                           engine or journal): "killed", or "done" where there were fewer
    FOLDER migrate-for S MODEL   dies after S seconds of processor time in `migrate`, wherever that
                           may be (0 = never): "killed", or "done" and the seconds that it took
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
        upgrade.cutover("translate", force=True)
    else:
        getattr(upgrade, step)()


def step_and_die(folder, step, count):
    with trivet.open(folder) as index:
        die_after(int(count))
        take(index, step)
    return 0


def migrate(folder, embedder, seconds, telling):
    """Migrate in small batches until the time is over, and tell how much it took."""
    migrating.BATCH = 8
    with trivet.open(folder, model=embedder) as index:
        upgrade = index.current_upgrade
        start = time.process_time()
        # Nobody's handler: the system ends the process on the spot, as SIGKILL does.
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        upgrade.migrate("id")
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        os.write(telling, f" {time.process_time() - start}".encode())
    return 0


def migrate_on_a_server(url, collection):
    with trivet.open(url, collection=collection) as index:
        try:
            index.current_upgrade.migrate()
        except UpgradeInProgressError:
            return REFUSED
    return 0


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
                code = migrate(words[0], embedders[words[3]], float(words[2]), writing)
            else:
                code = (migrate_on_a_server if len(words) == 2 else step_and_die)(*words)
            os._exit(code)
        os.close(writing)
        _, status = os.waitpid(child, 0)
        took = os.read(reading, 100).decode()
        os.close(reading)
        if os.WIFSIGNALED(status):
            answer = "killed"
        elif os.WEXITSTATUS(status) == REFUSED:
            answer = "refused"
        else:
            answer = f"done {status}{took}"
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
