"""Aliases of collections: other names that lead to them, on a server."""

from __future__ import annotations

from contextlib import closing

from qdrant_client import models

from trivet.config import ServerSettings
from trivet.errors import InvalidInputError
from trivet.store.connection import Connection, connect
from trivet.store.retrying import Timing


def lead(url: str, alias: str, collection: str, settings: ServerSettings) -> None:
    """Let an alias lead to a collection, from one moment to the next; it is made where it is new.

    Raises:
        InvalidInputError: a collection has that name, which no alias can have then.
        StoreError: the server will not.
    """
    with closing(connect(url, settings, Timing())) as connection:
        leads_to = followed(connection, alias)
        if leads_to == alias and connection.call("look", lambda c: c.collection_exists(alias)):
            raise InvalidInputError(
                f"expected a name for an alias, got {alias!r}, which a collection has: give another"
            )
        drop = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
        make = models.CreateAliasOperation(
            create_alias=models.CreateAlias(collection_name=collection, alias_name=alias)
        )
        changes: list[models.AliasOperations] = [make] if leads_to == alias else [drop, make]
        connection.call("set an alias", lambda c: c.update_collection_aliases(changes))


def followed(connection: Connection, name: str) -> str:
    """The collection that a name leads to: of an alias another one, else the same."""
    found = connection.call("read the aliases", lambda client: client.get_aliases()).aliases
    return next((each.collection_name for each in found if each.alias_name == name), name)
