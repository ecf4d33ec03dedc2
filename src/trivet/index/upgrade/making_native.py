"""What was left translated, or was carried over for want of a model, made native afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from trivet.errors import UpgradeInProgressError
from trivet.index.upgrade.checks import require_migration
from trivet.index.upgrade.migrating import Migration
from trivet.index.upgrade.texts import TextResolver
from trivet.index.upgrade.walking import Pass
from trivet.store.carried import carried_pages, forget_carried
from trivet.store.points import Chunk
from trivet.store.store import Store
from trivet.store.upgrading import alone

if TYPE_CHECKING:
    from trivet.index.shared import Shared


def make_native(
    shared: Shared,
    rate: float | None,
    budget: float | None,
    progress: Callable[[int], None] | None,
    resolver: TextResolver | None,
) -> int:
    """Embed documents of which vectors were carried over; arguments as in `Index.make_native`."""
    require_migration("id", rate, budget)
    store, model = shared.store, shared.model
    store.refresh()

    def require() -> None:
        _require_none_under_way(store)

    require()
    space = store.manifest.spaces.get("dense")
    if space is None:
        return 0
    name = space.vector_name
    waiting = partial(_still_carried, store, name)
    with _alone(store):
        first = next(carried_pages(store, name), None)
        if first is None:
            return 0
        if not first:  # the model need not be there
            _forget(store)
            return 0
        migration = Migration(
            store, model.proved(), waiting, rate, budget, model.tokens.small,
            require, require, resolver,
        )  # fmt: skip
        done = migration.run(progress, Pass(store, "native", partial(carried_pages, store, name)))
        _forget(store)
        return done


@contextmanager
def _alone(store: Store) -> Iterator[None]:
    """Nothing else in this process migrates the index meanwhile."""
    if not store.migrating.acquire(blocking=False):
        raise UpgradeInProgressError(
            "expected one call of make_native at a time, got a second in this process: wait for it"
        )
    try:
        yield
    finally:
        store.migrating.release()


def _still_carried(store: Store, name: str, ids: Sequence[str]) -> list[str]:
    """Of these points, those whose vector of a name was carried over."""
    payloads = store.engine.retrieve(ids)
    chunks = {id: Chunk.from_payload(payload) for id, payload in payloads.items()}
    return [id for id in ids if id in chunks and name in chunks[id].carried]


def _forget(store: Store) -> None:
    """No more look for what is carried over, if none is left."""
    with alone(store):
        _require_none_under_way(store)
        for space in store.manifest.spaces.values():
            if not next(carried_pages(store, space.vector_name), {}):
                forget_carried(store, space.vector_name)


def _require_none_under_way(store: Store) -> None:
    record = store.manifest.upgrade
    if record is not None and record.state != "leaving":
        raise UpgradeInProgressError(
            f"expected no upgrade under way, got one that is {record.state}: go on with it "
            "(index.current_upgrade), or roll it back, and make the rest native then"
        )
