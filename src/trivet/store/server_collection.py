"""A collection on a server: made, described, and its schema changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qdrant_client import QdrantClient, models

from trivet.config import ServerSettings
from trivet.errors import ServerRefusedError, ServerTooOldError
from trivet.store.client_models import (
    NO_GRAPH,
    sparse_vectors_config,
    vector_name_config,
    vectors_config,
)
from trivet.store.connection import ADDS_VECTORS, Connection
from trivet.store.storage import Storage
from trivet.types import Space

# Where our manifest is in a collection's metadata. An update merges the first level of keys, so
# what is below this one key is replaced whole.
METADATA_KEY = "trivet"


class ServerCollection:
    """One collection by its name, whether it is there or not.

    Args:
        connection: to the server.
        name: of the collection.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        self.connection = connection
        self.name = name

    def exists(self) -> bool:
        """Whether it is there."""
        return self.connection.call(
            f"look for the collection {self.name!r}",
            lambda client: client.collection_exists(self.name),
        )

    def create(
        self,
        spaces: Sequence[Space],
        *,
        shards: int | None,
        manifest: Mapping[str, Any] | None = None,
        storage: Storage = "full",
    ) -> None:
        """Make it with a named vector for each space; nothing if it is there.

        Vectors and manifest come with one request: a crash leaves both or none. Who else may have
        made it meanwhile is for the caller to see, in `read_manifest`.
        """
        settings = self.connection.settings
        metadata = None if manifest is None else {METADATA_KEY: dict(manifest)}
        try:
            self.connection.call(
                f"make the collection {self.name!r}",
                lambda client: client.create_collection(
                    self.name,
                    vectors_config=vectors_config(spaces, storage),
                    sparse_vectors_config=sparse_vectors_config(spaces) or None,
                    shard_number=shards,
                    replication_factor=settings.replication,
                    write_consistency_factor=_write_consistency(settings),
                    metadata=metadata,
                ),
            )
        except ServerRefusedError:
            # Made by an attempt whose answer was lost, or by another machine.
            if not self.exists():
                raise

    def info(self) -> models.CollectionInfo:
        """What it is."""
        return self.connection.call(
            f"describe the collection {self.name!r}",
            lambda client: client.get_collection(self.name),
        )

    def read_manifest(self) -> object:
        """Our part of its metadata; None if there is none."""
        return (self.info().config.metadata or {}).get(METADATA_KEY)

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Replace our part of its metadata, whole or not at all."""
        metadata = {METADATA_KEY: dict(manifest)}
        self.connection.call(
            f"write the manifest of {self.name!r}",
            lambda client: client.update_collection(self.name, metadata=metadata),
        )

    def vector_names(self) -> set[str]:
        """The named vectors that it has."""
        params = self.info().config.params
        dense = params.vectors if isinstance(params.vectors, dict) else {}
        return {*dense, *(params.sparse_vectors or {})}

    def add_vector(self, space: Space) -> None:
        """Make a named vector for a space; nothing if it is there.

        A server of version 1.17 makes an empty collection anew, with the name beside the others.

        Raises:
            ServerTooOldError: a server of version 1.17, and points are stored.
        """
        name = space.vector_name
        if name in self.vector_names():
            return
        if not self.connection.adds_vectors:
            self._make_anew(space)
            return

        def add(client: QdrantClient) -> None:
            result = client.create_vector_name(self.name, name, vector_name_config(space))
            self.connection.settle(result, lambda: name in self.vector_names())
            if space.mode == "multi":
                # The request above has no place for it.
                diff = models.VectorParamsDiff(hnsw_config=NO_GRAPH)
                client.update_collection(self.name, vectors_config={name: diff})

        self.connection.call(f"add the vector {name}", add)

    def drop_vector(self, name: str) -> None:
        """Drop a named vector; a server of version 1.17 keeps it, unused."""
        if not self.connection.adds_vectors or name not in self.vector_names():
            return

        def drop(client: QdrantClient) -> None:
            result = client.delete_vector_name(self.name, name)
            self.connection.settle(result, lambda: name not in self.vector_names())

        self.connection.call(f"drop the vector {name}", drop)

    def create_indexes(self, schemas: Mapping[str, models.PayloadFieldSchema]) -> None:
        """Index payload fields; those that are indexed are left as they are."""
        indexed = set(self.info().payload_schema)
        for path in schemas.keys() - indexed:
            self.connection.call(f"index {path}", self._index_request(path, schemas[path]))

    def _index_request(
        self, path: str, schema: models.PayloadFieldSchema
    ) -> Callable[[QdrantClient], None]:
        def request(client: QdrantClient) -> None:
            result = client.create_payload_index(self.name, path, schema, wait=True)
            self.connection.settle(result, lambda: path in self.info().payload_schema)

        return request

    def _make_anew(self, space: Space) -> None:
        """Make an empty collection anew with one more named vector.

        A crash between the two requests leaves no collection, and a journal without documents:
        the next opening makes the index again.
        """
        points = self.connection.call("count points", lambda client: client.count(self.name).count)
        if points:
            floor = ".".join(map(str, ADDS_VECTORS))
            raise ServerTooOldError(
                f"expected a Qdrant server of version {floor} or later, to add a vector beside "
                f"{points} stored points, got {self.connection.version}: update it"
            )
        info = self.info()
        params = info.config.params
        dense = params.vectors if isinstance(params.vectors, dict) else {}
        sparse = params.sparse_vectors or {}
        self.connection.call("drop it", lambda client: client.delete_collection(self.name))
        self.connection.call(
            f"make the collection {self.name!r} anew",
            lambda client: client.create_collection(
                self.name,
                vectors_config={**dense, **vectors_config([space])},
                sparse_vectors_config={**sparse, **sparse_vectors_config([space])} or None,
                shard_number=params.shard_number,
                replication_factor=params.replication_factor,
                write_consistency_factor=params.write_consistency_factor,
                metadata=info.config.metadata,
            ),
        )
        indexes = {path: i.params or i.data_type for path, i in info.payload_schema.items()}
        self.create_indexes(indexes)


def _write_consistency(settings: ServerSettings) -> int | None:
    """Copies that must hold a write: as asked; more than half, where there are several."""
    if settings.write_consistency is None and settings.replication is not None:
        return settings.replication // 2 + 1
    return settings.write_consistency
