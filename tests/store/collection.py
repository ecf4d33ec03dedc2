"""One random collection of 200 points, for the reference engine and for a folder."""

import random
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path

import qdrant_edge
from qdrant_client import QdrantClient, models

N, NAME = 200, "parity"
DENSE, MULTI, VOCABULARY = 8, 4, 30
GENRES = ["drama", "war", "comedy", "noir"]
WORDS = ["kedge", "anchor", "leeway", "drift", "sextant", "keel"]
START = datetime(2020, 1, 1, tzinfo=timezone.utc)


def numbers(rng, n):
    return [rng.gauss(0, 1) for _ in range(n)]


def sparse(rng):
    indices = sorted(rng.sample(range(VOCABULARY), rng.randint(3, 10)))
    return models.SparseVector(indices=indices, values=[rng.uniform(0.1, 3) for _ in indices])


def multi(rng):
    return [numbers(rng, MULTI) for _ in range(rng.randint(1, 4))]


def payload(rng):
    full = {
        "n": rng.randint(0, 9),
        "flag": rng.random() < 0.5,
        "genre": rng.choice(GENRES),
        "tags": rng.sample(GENRES, rng.randint(0, 3)),
        "text": " ".join(rng.choices(WORDS, k=4)).capitalize(),
        "when": (START + timedelta(hours=rng.randint(0, 9999))).isoformat(),
        "place": {"lon": rng.uniform(-20, 20), "lat": rng.uniform(-20, 20)},
        "parts": [
            {"kind": rng.choice(GENRES), "size": rng.randint(0, 9)}
            for _ in range(rng.randint(0, 3))
        ],
        "deep": {"er": rng.randint(0, 9)},
    }
    kept = {key: value for key, value in full.items() if rng.random() < 0.85}
    kept.update({key: None for key in full if rng.random() < 0.05})
    # For formulas, which fail on a missing field.
    return kept | {"f": rng.uniform(0, 5), "at": full["when"], "here": full["place"]}


def point_id(i):
    return i if i % 3 else str(uuid.uuid5(uuid.NAMESPACE_OID, str(i)))


def points():
    rng = random.Random(7)
    for i in range(N):
        vectors = {"dense": numbers(rng, DENSE)}
        if rng.random() < 0.9:
            vectors["sparse"] = sparse(rng)
        if rng.random() < 0.9:
            vectors["multi"] = multi(rng)
        yield point_id(i), vectors, payload(rng)


def reference_engine():
    client = QdrantClient(":memory:")
    size = models.VectorParams(size=DENSE, distance=models.Distance.COSINE)
    maxsim = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
    rows = models.VectorParams(size=MULTI, distance=models.Distance.DOT, multivector_config=maxsim)
    client.create_collection(
        NAME,
        vectors_config={"dense": size, "multi": rows},
        sparse_vectors_config={"sparse": models.SparseVectorParams()},
    )
    client.upsert(NAME, [models.PointStruct(id=i, vector=v, payload=p) for i, v, p in points()])
    return client


def edge_shard(folder: Path):
    maxsim = qdrant_edge.MultiVectorConfig(qdrant_edge.MultiVectorComparator.MaxSim)
    config = qdrant_edge.EdgeConfig(
        vectors={
            "dense": qdrant_edge.EdgeVectorParams(DENSE, qdrant_edge.Distance.Cosine),
            "multi": qdrant_edge.EdgeVectorParams(
                MULTI, qdrant_edge.Distance.Dot, multivector_config=maxsim
            ),
        },
        sparse_vectors={"sparse": qdrant_edge.EdgeSparseVectorParams()},
    )
    folder.mkdir()
    shard = qdrant_edge.EdgeShard.create(str(folder), config)
    batch = []
    for i, vectors, content in points():
        if "sparse" in vectors:
            one = vectors["sparse"]
            vectors["sparse"] = qdrant_edge.SparseVector(one.indices, one.values)
        batch.append(qdrant_edge.Point(i, vectors, content))
    shard.update(qdrant_edge.UpdateOperation.upsert_points(batch))
    index = qdrant_edge.PayloadSchemaType.Float
    shard.update(qdrant_edge.UpdateOperation.create_field_index("f", index))
    return shard
