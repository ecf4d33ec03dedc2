"""Children that take a step of an upgrade and die in it: `python killed.py`.

Reads a line for each child that is forked, and prints what became of it:

    FOLDER STEP N          dies by SIGKILL after the N-th thing that it did to the index (manifest,
                           engine or journal): "killed", or "done" where there were fewer
    FOLDER migrate-for S MODEL   dies after S seconds of processor time in `migrate`, wherever that
                           may be (0 = never): "killed", or "done" and the seconds that it took
    URL COLLECTION         migrates an index on a server: "refused", or "done"
    FOLDER take-over N     copies the collection of `services.collected` to a folder, and dies after
                           the N-th thing that it wrote
    URL take-over N        copies the collection "notes" on a server to "copy", and dies when the
                           alias "all-notes" leads there
    PLACE interrupt FILE   `trivet upgrade migrate` in small batches, of which the second meets
                           Ctrl-C; what it says on stderr goes into the file
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import torch  # loaded once, before the children are forked

sys.path.insert(0, str(Path(__file__).parents[2]))

import services

import trivet
from trivet.cli.running import run
from trivet.errors import UpgradeInProgressError
from trivet.index.upgrade import migrating
from trivet.store import adopted, aliases
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
COPYING = [
    (CurrentManifest, "become"),
    (EdgeEngine, "upsert"),
    (EdgeEngine, "delete"),
    (EdgeEngine, "flush"),
    (SqliteJournal, "begin"),
    (SqliteJournal, "commit"),
    (SqliteJournal, "keep"),
]
REFUSED = 17


def die_after(count, things):
    left = [count]

    def watched(call):
        def wrapper(*arguments, **named):
            result = call(*arguments, **named)
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return wrapper

    for owner, name in things:
        setattr(owner, name, watched(getattr(owner, name)))


def take(index, step):
    upgrade = index.current_upgrade
    if step == "translate":
        upgrade.cutover("translate", force=True)
    else:
        getattr(upgrade, step)()


def step_and_die(folder, step, count):
    with trivet.open(folder) as index:
        die_after(int(count), WATCHED)
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


def take_over(place, count):
    if "://" in place:
        die_after(int(count), [(aliases, "lead")])
        with trivet.adopt(place, "notes", model=services.OLD) as notes:
            notes.take_over(place, collection="copy", alias="all-notes").close()
        return 0
    adopted.WRITE_BATCH = 8
    die_after(int(count), COPYING)
    with trivet.adopt(services.collected(), "notes", model=services.OLD) as notes:
        notes.take_over(place).close()
    return 0


def interrupted(place, err, begun):
    """The command, which says when its second batch begins."""
    migrating.BATCH = 8
    signal.signal(signal.SIGINT, signal.default_int_handler)
    stderr = os.open(err, os.O_WRONLY | os.O_CREAT)
    os.dup2(stderr, 2)
    migrate, batches = migrating.Migration._migrate, []

    def noted(migration, ids):
        batches.append(ids)
        if len(batches) == 2:
            os.write(begun, b"x")
        return migrate(migration, ids)

    migrating.Migration._migrate = noted
    return run(["upgrade", "migrate", "--index", place])


def work(words, embedders, begun):
    """What a child does; its exit code."""
    if "migrate-for" in words:
        return migrate(words[0], embedders[words[3]], float(words[2]), begun)
    if "take-over" in words:
        return take_over(words[0], words[2])
    if "interrupt" in words:
        return interrupted(words[0], words[2], begun)
    return (migrate_on_a_server if len(words) == 2 else step_and_die)(*words)


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
            os._exit(work(words, embedders, writing))
        os.close(writing)
        if "interrupt" in words:
            os.read(reading, 1)
            os.kill(child, signal.SIGINT)
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
