"""What a Qdrant server in miniature answers to the REST routes that Trivet uses.

Where it is known to differ from a real server, a comment that begins with "Gap:" says so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qdrant_client import models

if TYPE_CHECKING:
    from stub_server import Request, StubServer

COMPLETED = {"operation_id": 1, "status": "completed"}


class StubError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _collections(server: StubServer, request: Request) -> Any:
    return server.local.get_collections().model_dump(mode="json")


def _aliases(server: StubServer, request: Request) -> Any:
    return server.local.get_aliases().model_dump(mode="json")


def _change_aliases(server: StubServer, request: Request) -> Any:
    wanted = models.ChangeAliasesOperation.model_validate(request.body)
    return server.local.update_collection_aliases(wanted.actions)


def _exists(server: StubServer, request: Request, name: str) -> Any:
    return {"exists": server.local.collection_exists(name)}


def _create(server: StubServer, request: Request, name: str) -> Any:
    wanted = models.CreateCollection.model_validate(request.body)
    if server.local.collection_exists(name):
        raise StubError(409, f"Wrong input: Collection `{name}` already exists!")
    server.local.create_collection(
        name,
        vectors_config=wanted.vectors or {},
        sparse_vectors_config=wanted.sparse_vectors,
        metadata=wanted.metadata,
    )
    server.indexes[name] = {}
    asked = {
        "shard_number": wanted.shard_number,
        "replication_factor": wanted.replication_factor,
        "write_consistency_factor": wanted.write_consistency_factor,
    }
    server.params[name] = {key: 1 if value is None else value for key, value in asked.items()}
    return True


def _delete_collection(server: StubServer, request: Request, name: str) -> Any:
    return server.local.delete_collection(name)


def _describe(server: StubServer, request: Request, name: str) -> Any:
    info = server.local.get_collection(name).model_dump(mode="json")
    info["config"]["params"] |= server.params[name]
    info["payload_schema"] = {
        field: {"data_type": schema["type"] if isinstance(schema, dict) else schema, "points": 0}
        for field, schema in server.indexes[name].items()
    }
    return info


def _update_collection(server: StubServer, request: Request, name: str) -> Any:
    wanted = models.UpdateCollection.model_validate(request.body)
    # Gap: a real server merges metadata by its first level of keys; local mode does the same.
    server.local.update_collection(
        name, vectors_config=wanted.vectors, sparse_vectors_config=wanted.sparse_vectors,
        metadata=wanted.metadata,
    )  # fmt: skip
    return True


def _create_index(server: StubServer, request: Request, name: str) -> Any:
    server.local.get_collection(name)
    # Gap: no index is built, and filters work without one, as they do on a server by default.
    server.indexes[name][request.body["field_name"]] = request.body["field_schema"]
    return COMPLETED


def _create_vector(server: StubServer, request: Request, name: str, vector: str) -> Any:
    if server.minor < 18:
        raise StubError(404, "no such route")
    kind = (
        models.SparseVectorNameConfig if "sparse" in request.body else models.DenseVectorNameConfig
    )
    server.local.create_vector_name(name, vector, kind.model_validate(request.body))
    return COMPLETED


def _delete_vector(server: StubServer, request: Request, name: str, vector: str) -> Any:
    if server.minor < 18:
        raise StubError(404, "no such route")
    server.local.delete_vector_name(name, vector)
    return COMPLETED


def _upsert(server: StubServer, request: Request, name: str) -> Any:
    wanted = models.PointsList.model_validate(request.body)
    # Gap: a real server applies a batch shard by shard; here it is one step under a lock.
    server.local.upsert(
        name, wanted.points, update_filter=wanted.update_filter, update_mode=wanted.update_mode
    )
    return COMPLETED


def _delete_points(server: StubServer, request: Request, name: str) -> Any:
    body = request.body
    if "filter" in body:
        selector: Any = models.FilterSelector.model_validate(body)
    else:
        selector = models.PointIdsList.model_validate(body)
    server.local.delete(name, selector)
    return COMPLETED


def _set_payload(server: StubServer, request: Request, name: str) -> Any:
    wanted = models.SetPayload.model_validate(request.body)
    selector: Any = wanted.points if wanted.filter is None else wanted.filter
    server.local.set_payload(name, wanted.payload, points=selector, key=wanted.key)
    return COMPLETED


def _update_vectors(server: StubServer, request: Request, name: str) -> Any:
    server.local.update_vectors(name, models.UpdateVectors.model_validate(request.body).points)
    return COMPLETED


def _retrieve(server: StubServer, request: Request, name: str) -> Any:
    wanted = models.PointRequest.model_validate(request.body)
    records = server.local.retrieve(
        name, wanted.ids, with_payload=wanted.with_payload, with_vectors=wanted.with_vector
    )
    return [record.model_dump(mode="json") for record in records]


def _scroll(server: StubServer, request: Request, name: str) -> Any:
    wanted = models.ScrollRequest.model_validate(request.body)
    records, offset = server.local.scroll(
        name, scroll_filter=wanted.filter, limit=wanted.limit, offset=wanted.offset,
        with_payload=wanted.with_payload, with_vectors=wanted.with_vector,
    )  # fmt: skip
    return {"points": [r.model_dump(mode="json") for r in records], "next_page_offset": offset}


def _count(server: StubServer, request: Request, name: str) -> Any:
    wanted = models.CountRequest.model_validate(request.body)
    return {"count": server.local.count(name, count_filter=wanted.filter).count}


def _facet(server: StubServer, request: Request, name: str) -> Any:
    wanted = models.FacetRequest.model_validate(request.body)
    if wanted.key not in server.indexes[name]:
        raise StubError(400, f"No appropriate index for faceting: `{wanted.key}`")
    answer = server.local.facet(name, wanted.key, facet_filter=wanted.filter, limit=wanted.limit)
    return answer.model_dump(mode="json")


# Servers before 1.20 do not know these expressions of formulas.
LATER_EXPRESSIONS = ('"max":', '"min":', '"acosh":')


def _query(server: StubServer, request: Request, name: str) -> Any:
    if server.minor < 20 and any(word in json.dumps(request.body) for word in LATER_EXPRESSIONS):
        raise StubError(400, "Format error in JSON body: unknown variant of Expression")
    wanted = models.QueryRequestBatch.model_validate(request.body)
    answers = server.local.query_batch_points(name, wanted.searches)
    return [answer.model_dump(mode="json") for answer in answers]


SNAPSHOTS_URL = "file:///qdrant/snapshots"


def _cluster(server: StubServer, request: Request, name: str) -> Any:
    server.local.get_collection(name)
    local = [{"shard_id": 0, "points_count": 0, "state": "Active"}]
    return {
        "peer_id": 1, "shard_count": 1, "local_shards": local,
        "remote_shards": server.remote_shards, "shard_transfers": [],
    }  # fmt: skip


def _points(server: StubServer, name: str) -> list[models.PointStruct]:
    records, _ = server.local.scroll(name, limit=10**6, with_payload=True, with_vectors=True)
    return [models.PointStruct(id=r.id, vector=r.vector or {}, payload=r.payload) for r in records]


def _require_collection(server: StubServer, name: str) -> None:
    """As on a real server: snapshots outlive their collection, but can only be restored then."""
    if not server.local.collection_exists(name):
        raise StubError(404, f"Not found: Collection `{name}` doesn't exist!")


def _list_snapshots(server: StubServer, request: Request, name: str) -> Any:
    _require_collection(server, name)
    return [kept["description"] for kept in server.snapshots.get(name, {}).values()]


def _create_snapshot(server: StubServer, request: Request, name: str) -> Any:
    config = server.local.get_collection(name).config
    points = _points(server, name)
    kept = server.snapshots.setdefault(name, {})
    file = f"{name}-{len(server.routes)}-2026-11-21-12-00-{len(kept):02}.snapshot"
    content = json.dumps([point.model_dump(mode="json") for point in points])
    description = {
        "name": file, "creation_time": f"2026-11-21T12:00:{len(kept):02}", "size": len(content),
        "checksum": hashlib.sha256(content.encode()).hexdigest(),
    }  # fmt: skip
    kept[file] = {
        "description": description, "config": config, "points": points,
        "indexes": dict(server.indexes[name]), "params": dict(server.params[name]),
    }  # fmt: skip
    return description if request.query.get("wait") != "false" else None


def _delete_snapshot(server: StubServer, request: Request, name: str, file: str) -> Any:
    _require_collection(server, name)
    if file not in server.snapshots.get(name, {}):
        raise StubError(404, f"Snapshot {file} not found")
    del server.snapshots[name][file]
    return True


def _recover(server: StubServer, request: Request, name: str) -> Any:
    location = request.body["location"].removeprefix(SNAPSHOTS_URL + "/")
    source, _, file = location.partition("/")
    kept = server.snapshots.get(source, {}).get(file)
    if kept is None:
        raise StubError(400, f"Snapshot file {request.body['location']} does not exist")
    if request.body.get("checksum") not in (None, kept["description"]["checksum"]):
        raise StubError(400, "Snapshot checksum mismatch")
    config = kept["config"]
    if server.local.collection_exists(name):
        # A real server keeps the configuration, metadata included, of a collection that is there.
        if server.local.get_collection(name).config.params.vectors != config.params.vectors:
            raise StubError(400, "Snapshot is not compatible with existing collection")
        server.local.delete(name, models.FilterSelector(filter=models.Filter()))
    else:
        server.local.create_collection(
            name, vectors_config=config.params.vectors or {},
            sparse_vectors_config=config.params.sparse_vectors, metadata=config.metadata,
        )  # fmt: skip
        server.params[name] = dict(kept["params"])
    server.indexes[name] = dict(kept["indexes"])
    if kept["points"]:
        server.local.upsert(name, kept["points"])
    return True


ROUTES: list[tuple[str, Callable[..., Any]]] = [
    ("GET /collections", _collections),
    ("GET /aliases", _aliases),
    ("POST /collections/aliases", _change_aliases),
    ("GET /collections/([^/]+)/exists", _exists),
    ("GET /collections/([^/]+)", _describe),
    ("PUT /collections/([^/]+)", _create),
    ("PATCH /collections/([^/]+)", _update_collection),
    ("DELETE /collections/([^/]+)", _delete_collection),
    ("PUT /collections/([^/]+)/index", _create_index),
    ("PUT /collections/([^/]+)/vectors/([^/]+)", _create_vector),
    ("DELETE /collections/([^/]+)/vectors/([^/]+)", _delete_vector),
    ("PUT /collections/([^/]+)/points", _upsert),
    ("POST /collections/([^/]+)/points/delete", _delete_points),
    ("POST /collections/([^/]+)/points/payload", _set_payload),
    ("PUT /collections/([^/]+)/points/vectors", _update_vectors),
    ("POST /collections/([^/]+)/points", _retrieve),
    ("POST /collections/([^/]+)/points/scroll", _scroll),
    ("POST /collections/([^/]+)/points/count", _count),
    ("POST /collections/([^/]+)/points/query/batch", _query),
    ("POST /collections/([^/]+)/facet", _facet),
    ("GET /collections/([^/]+)/cluster", _cluster),
    ("GET /collections/([^/]+)/snapshots", _list_snapshots),
    ("POST /collections/([^/]+)/snapshots", _create_snapshot),
    ("DELETE /collections/([^/]+)/snapshots/([^/]+)", _delete_snapshot),
    ("PUT /collections/([^/]+)/snapshots/recover", _recover),
]
