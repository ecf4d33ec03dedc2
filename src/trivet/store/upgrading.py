"""The steps of an upgrade that change what an index is made of, each safe against a death."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from trivet.errors import UpgradeInProgressError, UpgradeStateError
from trivet.store.generations import UpgradeRecord, UpgradeState
from trivet.store.store import PATIENCE_S, Store

# What the names begin with under which the journal keeps maps, and what they were fitted to.
MAP_NAMES = "drift-map-"
SAMPLE_NAMES = "drift-sample-"
# And how far a migration is.
PLACE_NAMES = "drift-place-"

NEXT_STEPS: dict[UpgradeState, str] = {
    "planned": "fit",
    "fitted": "verify",
    "verified": "cutover",
    "refused": "fit, with another aim, or rollback",
    "bridged": "migrate, or rollback",
    "translating": "migrate",
    "translated": "migrate, then finish; or rollback",
    "migrating": "migrate, then finish; or rollback",
    "ending": "nothing but, within the grace, rollback",
    "leaving": "rollback, which completes it",
}


@contextmanager
def alone(store: Store) -> Iterator[None]:
    """Keep every other writer out, with the manifest as it is now."""
    with store.writing, store.journal.exclusive(PATIENCE_S):
        store.refresh()
        store.recover()
        yield


def require_state(record: UpgradeRecord | None, step: str, *states: UpgradeState) -> UpgradeRecord:
    """The upgrade under way, which must be at one of these states.

    Raises:
        UpgradeStateError: there is none, or it is at another.
    """
    if record is None:
        raise UpgradeStateError(
            f"expected an upgrade under way for {step}, got none: begin with index.upgrade(model)"
            ".plan()"
        )
    if record.state not in states:
        raise UpgradeStateError(
            f"expected an upgrade that is {' or '.join(states)} for {step}, got one that is "
            f"{record.state}: next comes {NEXT_STEPS[record.state]}"
        )
    return record


def begin(store: Store, record: UpgradeRecord) -> None:
    """Note an upgrade in the index; one to the same model begins anew, without its maps.

    Raises:
        UpgradeStateError: one is under way that serves already, or the index is of that model by
            now.
        UpgradeInProgressError: one to another model is under way, by another process or thread.
    """
    with alone(store):
        current = store.manifest.upgrade
        if current is not None:
            require_state(current, "a new plan", "planned", "fitted", "verified", "refused")
            if current.other.spaces != record.other.spaces:
                raise UpgradeInProgressError(
                    f"expected no upgrade under way, got one to {current.other.name!r}, which "
                    "began meanwhile: go on with it, or roll it back (index.current_upgrade)"
                )
        elif record.other.spaces.get("dense") == store.manifest.spaces["dense"]:
            raise UpgradeStateError(
                f"expected an index of another model for a new plan, got one of "
                f"{record.other.model!r}: its upgrade is finished, and nothing is left to do"
            )
        store.become(replace(store.manifest, upgrade=record))
        _forget(store, but=record)


def advance(
    store: Store, record: UpgradeRecord, step: str, *states: UpgradeState, since: UpgradeRecord
) -> None:
    """Note how far the upgrade is, if nobody else has taken a step of it meanwhile.

    Args:
        store: of the index.
        record: the upgrade after the step.
        step: its name.
        states: that it may be taken at.
        since: the upgrade when the step began.

    Raises:
        UpgradeStateError: another process or thread has.
    """
    with alone(store):
        _require_same(require_state(store.manifest.upgrade, step, *states), since, step)
        store.become(replace(store.manifest, upgrade=record))


def refit(
    store: Store,
    record: UpgradeRecord,
    fitted: Mapping[str, bytes],
    *states: UpgradeState,
    since: UpgradeRecord,
) -> None:
    """Keep what was fitted, and forget what was before, if nobody else has taken a step meanwhile.

    Args:
        store: of the index.
        record: with the names of what was fitted.
        fitted: content by name.
        states: that the upgrade may be fitted at.
        since: the upgrade when the fit began.

    Raises:
        UpgradeStateError: another process or thread has.
    """
    with alone(store):
        _require_same(require_state(store.manifest.upgrade, "fit", *states), since, "fit")
        # First what the record names, then the record, and last what no record names any more.
        for name, content in fitted.items():
            store.journal.keep(name, content)
        store.become(replace(store.manifest, upgrade=record))
        _forget(store, but=record)


def note(store: Store, **facts: object) -> None:
    """Add facts to the upgrade under way; for the only writer there is at that time."""
    record = store.manifest.upgrade
    if record is not None:
        store.become(replace(store.manifest, upgrade=record.at(record.state, **facts)))


def open_beside(store: Store) -> None:
    """Make the named vectors of the newer model; from now on every write has both models'."""
    with alone(store):
        current = store.manifest.upgrade
        record = require_state(current, "translating", "verified", "refused", "bridged",
                               "translating")  # fmt: skip
        # The manifest first: what a death leaves half made, the next opening completes.
        store.become(
            replace(store.manifest, upgrade=replace(record.at("translating"), beside=True))
        )
        settle(store)


def swap(store: Store, require: Callable[[], None]) -> None:
    """Let the newer model's vectors, which every point has now, serve.

    Args:
        store: of the index.
        require: called alone with the index: raises where that may not be done.
    """
    with alone(store):
        require()
        record = require_state(store.manifest.upgrade, "the change over", "translating")
        old = store.manifest.generation
        translated = replace(record.at("translated"), other=old)
        store.become(store.manifest.of_generation(record.other, translated))


def take_back(store: Store) -> None:
    """Go back to the older model; its vectors were never touched. The newer ones are dropped.

    Raises:
        UpgradeStateError: no upgrade is under way, or it is over: what it drops is half dropped,
            which is completed.
    """
    with alone(store):
        record = store.manifest.upgrade
        if record is None:
            require_state(None, "rollback")
        elif record.state == "leaving":
            settle(store)
            if record.facts.get("is_end"):
                raise UpgradeStateError(
                    "expected an upgrade that is not over for rollback, got one whose finish was "
                    f"under way, which has dropped vectors of {record.other.name!r}: begin "
                    "an upgrade to that model"
                )
        elif not record.beside or record.state == "translating":
            store.become(replace(store.manifest, upgrade=_leaving(record)))
        else:
            newer = store.manifest.generation
            leaving = replace(_leaving(record), other=newer)
            store.become(store.manifest.of_generation(record.other, leaving))
        settle(store)


def end(store: Store, grace_s: float) -> None:
    """Drop the older model's vectors, now or after a time in which `take_back` may be done."""
    with alone(store):
        record = require_state(
            store.manifest.upgrade, "finish", "translated", "migrating", "ending"
        )
        ending = record.at("ending", ends=time.time() + grace_s)
        store.become(replace(store.manifest, upgrade=ending))
        settle(store)


def settle(store: Store) -> None:
    """Complete what a step, or a death in it, left to do; for the only writer there is."""
    record = store.manifest.upgrade
    if record is None:
        return
    if record.state == "ending" and time.time() >= record.facts["ends"]:
        record = _leaving(record.at("ending", is_end=True))
        store.become(replace(store.manifest, upgrade=record))
    if record.state == "leaving":
        for space in record.other.spaces.values():
            if space.vector_name not in store.manifest.vector_spaces:  # both models may make one
                store.engine.drop_vectors(space.vector_name)
        store.engine.flush()
        _forget(store, but=record)
        store.become(replace(store.manifest, upgrade=None))
    elif record.beside:
        for space in record.other.spaces.values():
            store.engine.add_space(space)
        store.engine.flush()


def _require_same(current: UpgradeRecord, since: UpgradeRecord, step: str) -> None:
    if _written(current) != _written(since):
        raise UpgradeStateError(
            f"expected the upgrade as it was when {step} began, got one of which another "
            "process or thread has taken a step meanwhile: look where it is "
            "(index.current_upgrade.status()), and go on from there"
        )


def _written(record: UpgradeRecord) -> str:
    """As the manifest keeps it: tuples become lists there."""
    return json.dumps(record.to_json(), sort_keys=True)


def _leaving(record: UpgradeRecord) -> UpgradeRecord:
    return replace(record.at("leaving"), beside=False, maps={})


def _forget(store: Store, *, but: UpgradeRecord) -> None:
    """Drop the maps and samples in the journal that this record does not name, and any place."""
    store.journal.forget((MAP_NAMES, SAMPLE_NAMES, PLACE_NAMES), set(but.maps.values()))
