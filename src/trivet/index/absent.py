"""What to do where texts cannot be embedded because a model of an upgrade is gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from trivet.errors import CheckpointError, ModelNotFoundError, SpaceMismatchError
from trivet.store.manifest import Manifest
from trivet.store.store import Store


@contextmanager
def with_ways_back(manifest: Manifest) -> Iterator[None]:
    """Add to the newer model of an upgrade, which serves and is not found, how to do without.

    Raises:
        ModelNotFoundError: in the place of the body's.
    """
    try:
        yield
    except ModelNotFoundError as error:
        record = manifest.upgrade
        if record is None or not record.serves_other:
            raise
        older = manifest.generation if record.is_bridged else record.other
        raise ModelNotFoundError(
            f"{error}; an upgrade is under way, which lets that model embed queries: put it back, "
            "open the index with trivet.open(…, model=) from where it is now, or go back to "
            f"{older.name!r} with index.current_upgrade.rollback()"
        ) from error


@contextmanager
def with_ways_out(store: Store) -> Iterator[None]:
    """Add to a model that is not to be had what it is needed for, and how to do without.

    Raises:
        ModelNotFoundError, CheckpointError, SpaceMismatchError: in the place of the body's.
    """
    try:
        yield
    except (ModelNotFoundError, CheckpointError, SpaceMismatchError) as error:
        record = store.manifest.upgrade
        if record is not None and record.beside:
            raise type(error)(
                f"{error}; while the upgrade is under way, documents have the vectors of both "
                "models: put that model back, or go on to finish, or roll back"
            ) from error
        if record is not None and record.is_bridged:
            raise type(error)(
                f"{error}; while queries are mapped, documents are embedded by the older model: "
                f"put it back, or go on with migrate, after which {record.other.name!r} is enough"
            ) from error
        raise
