"""Token vectors of documents become fewer as hierarchical pooling says; those of queries do not."""

from __future__ import annotations

import json

import numpy as np
import pytest
from layouts import build_native, build_pylate, build_splade, build_stanford, change

from trivet.embedding import Embedder
from trivet.embedding.options import LoadOptions
from trivet.embedding.spec import TokenPooling
from trivet.embedding.token_pooling import pool_tokens, ward_clusters
from trivet.errors import CheckpointError, InvalidInputError

DOCUMENTS = [
    "a kedge is a light anchor.",
    "leeway, is it?",
    "a",
    "wind and water! " * 8,
    "sea " * 9,
]
QUERIES = ["what keeps a ship in place?", "a", "leeway, drift!"]


def units(rng, n, m=16):
    centres = rng.normal(size=(max(1, n // 3), m))
    rows = centres[rng.integers(0, len(centres), n)] + 0.7 * rng.normal(size=(n, m))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def merged_by_definition(points, clusters):
    """Ward's criterion as it is defined: the pair whose union adds least to the variance."""
    groups = [[i] for i in range(len(points))]
    while len(groups) > clusters:
        costs = {}
        for a in range(len(groups)):
            for b in range(a):
                means = points[groups[a]].mean(axis=0), points[groups[b]].mean(axis=0)
                sizes = len(groups[a]), len(groups[b])
                gap = ((means[0] - means[1]) ** 2).sum()
                costs[a, b] = sizes[0] * sizes[1] / sum(sizes) * gap
        a, b = min(costs, key=costs.get)
        groups[b] += groups.pop(a)
    return {frozenset(group) for group in groups}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("clusters", [1, 2, 7, 19, 20])
def test_clusters_are_those_of_wards_definition(seed, clusters):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(20, 3))
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    labels = ward_clusters(distances, clusters)
    found = {frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels.tolist())}
    assert found == merged_by_definition(points, clusters)


def same_rows(ours, theirs):
    """Whether two arrays hold the same rows, in whatever order."""
    assert ours.shape == theirs.shape
    gaps = np.abs(ours[:, None] - theirs[None]).max(axis=-1)
    np.testing.assert_allclose(gaps.min(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(gaps.min(axis=1), 0, atol=1e-5)


@pytest.mark.parametrize("factor", [1.5, 2, 3, 4, 1000])
@pytest.mark.parametrize("protected", [0, 1, 3])
@pytest.mark.parametrize("unit", [True, False])
def test_vectors_are_those_of_sentence_transformers(factor, protected, unit):
    import torch
    from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling

    rng = np.random.default_rng(3)
    theirs = HierarchicalTokenPooling(
        factor, num_protected_tokens=protected, normalize_embeddings=unit
    )
    for n in (1, 2, 3, 4, 17, 60, 200):
        vectors = units(rng, n)
        made = pool_tokens(vectors, TokenPooling(factor, protected, unit))
        (expected,) = theirs.pool([torch.from_numpy(vectors)])
        same_rows(made, expected.numpy())
        np.testing.assert_array_equal(made[:protected], vectors[:protected])


def test_like_vectors_become_one_and_their_score_stays():
    rng = np.random.default_rng(0)
    kinds = units(rng, 5)
    doubled = np.concatenate([kinds, kinds, kinds])
    pooled = pool_tokens(doubled, TokenPooling(3))
    same_rows(pooled, kinds)
    queries = units(rng, 4)
    before, after = ((queries @ rows.T).max(axis=1).sum() for rows in (doubled, pooled))
    assert after == pytest.approx(before, abs=1e-5)


BUILDERS = {"stanford": build_stanford, "pylate": build_pylate, "native": build_native}


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory, tiny_model):
    parent = tmp_path_factory.mktemp("pooling")

    def build(layout):
        if layout == "any encoder":
            return tiny_model
        folder = parent / layout
        return folder if folder.exists() else BUILDERS[layout](folder)

    return build


@pytest.mark.parametrize("layout", [*BUILDERS, "any encoder"])
@pytest.mark.parametrize("factor", [2, 3])
def test_documents_are_pooled_and_queries_are_not(folder_of, layout, factor):
    plain = Embedder.load(folder_of(layout), modes=["multi"])
    pooling = Embedder.load(folder_of(layout), modes=["multi"], token_pooling=factor)
    protected = 0 if layout == "any encoder" else 1
    rows = plain.embed_documents(DOCUMENTS).multi.values
    made = pooling.embed_documents(DOCUMENTS).multi.values
    for before, after in zip(rows, made, strict=True):
        same_rows(after, pool_tokens(before, TokenPooling(factor, protected)))
        assert len(after) == protected + max(1, (len(before) - protected) // factor)
        np.testing.assert_allclose(np.linalg.norm(after, axis=1), 1, atol=1e-6)
    asked = zip(
        plain.embed_queries(QUERIES).multi.values,
        pooling.embed_queries(QUERIES).multi.values,
        strict=True,
    )
    for before, after in asked:
        np.testing.assert_array_equal(before, after)


def test_a_document_is_pooled_alike_whatever_its_mates(folder_of):
    embedder = Embedder.load(folder_of("stanford"), token_pooling=2)
    together = embedder.embed_documents(DOCUMENTS).multi.values
    backwards = embedder.embed_documents(DOCUMENTS[::-1]).multi.values[::-1]
    for text, rows, again in zip(DOCUMENTS, together, backwards, strict=True):
        (alone,) = embedder.embed_documents([text]).multi.values
        np.testing.assert_allclose(rows, alone, atol=1e-6)
        np.testing.assert_allclose(again, alone, atol=1e-6)


def test_vectors_are_cut_before_they_are_pooled(folder_of):
    cut = Embedder.load(folder_of("stanford"), dims=6).embed_documents(DOCUMENTS).multi.values
    both = Embedder.load(folder_of("stanford"), dims=6, token_pooling=2)
    for before, after in zip(cut, both.embed_documents(DOCUMENTS).multi.values, strict=True):
        same_rows(after, pool_tokens(before, TokenPooling(2, 1)))


def test_the_pooling_is_part_of_the_space_of_that_leg_alone_and_of_the_recipe(tiny_model):
    plain, two, three = (Embedder.load(tiny_model, token_pooling=factor) for factor in (None, 2, 3))
    assert len({e.spaces["multi"] for e in (plain, two, three)}) == 3
    assert len({e.spaces["dense"] for e in (plain, two, three)}) == 1
    assert two.spaces["multi"].facts["token_pooling"] == 2
    assert Embedder.load(tiny_model, token_pooling=1).spaces == plain.spaces
    assert two.recipe == {"token_pooling": 2}
    again = LoadOptions.from_recipe(json.loads(json.dumps(two.recipe)))
    assert again.token_pooling == 2


@pytest.mark.parametrize("factor", [0, -1, 1.5, True, "2"])
def test_what_is_no_factor_is_refused(tiny_model, factor):
    with pytest.raises(InvalidInputError, match="expected token_pooling of 1"):
        Embedder.load(tiny_model, token_pooling=factor)


def test_a_model_without_token_vectors_cannot_pool_them(tmp_path):
    with pytest.raises(InvalidInputError, match="it has no token vectors"):
        Embedder.load(build_splade(tmp_path / "splade"), token_pooling=2)


@pytest.mark.parametrize("factor", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("tasks", [["document"], ["query", "document"]])
def test_a_pooling_of_the_checkpoint_is_obeyed(tmp_path, factor, tasks):
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling

    module = HierarchicalTokenPooling(factor, num_protected_tokens=2, tasks=tasks)
    folder = build_native(tmp_path / "m", pooling=module)
    theirs = MultiVectorEncoder(str(folder), device="cpu", local_files_only=True)
    embedder = Embedder.load(folder)
    documents = embedder.embed_documents(DOCUMENTS).multi.values
    queries = embedder.embed_queries(QUERIES).multi.values
    for made, expected in zip(documents, theirs.encode_document(DOCUMENTS), strict=True):
        same_rows(made, np.asarray(expected))
    for made, expected in zip(queries, theirs.encode_query(QUERIES), strict=True):
        same_rows(made, np.asarray(expected))
    unpooled = Embedder.load(folder, token_pooling=1)
    assert (unpooled.spaces == embedder.spaces) is (factor == 1)
    assert unpooled.spaces == Embedder.load(build_native(tmp_path / "plain")).spaces


def test_a_pooling_that_we_would_not_obey_is_refused(tmp_path):
    from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling

    folder = build_native(tmp_path / "m", pooling=HierarchicalTokenPooling(2.0))
    modules = json.loads((folder / "modules.json").read_text())
    change(folder / modules[-1]["path"] / "config.json", pool_factor=0.5)
    with pytest.raises(CheckpointError, match="expected pool_factor of 1 or more"):
        Embedder.load(folder)
    modules[-1], modules[-2] = modules[-2], modules[-1]
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(CheckpointError, match="HierarchicalTokenPooling after Normalize"):
        Embedder.load(folder)
