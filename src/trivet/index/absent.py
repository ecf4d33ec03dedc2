"""What to do where documents cannot be embedded because a model of an upgrade is gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from trivet.errors import CheckpointError, ModelNotFoundError, SpaceMismatchError
from trivet.store.store import Store


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
                f"put it back, or go on with migrate, after which {record.other.model!r} is enough"
            ) from error
        raise
