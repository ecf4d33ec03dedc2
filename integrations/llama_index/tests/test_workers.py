"""What goes to the workers of an `IngestionPipeline`: an embedding that loads its model again."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest
from checkpoints import Recipe, build_checkpoint
from llama_index.embeddings.trivet import TrivetEmbedding
from llama_index.vector_stores.trivet import TrivetVectorStore

import trivet
from trivet.errors import InvalidInputError, SpaceMismatchError


def test_an_embedding_makes_the_same_vectors_in_another_process(tiny_embedder) -> None:
    embedding = TrivetEmbedding(tiny_embedder, task="search", embed_batch_size=7)
    sent = pickle.dumps(embedding)
    assert len(sent) < 20_000  # no weights
    there = pickle.loads(sent)
    assert there.to_dict() == embedding.to_dict()
    assert there.embedder is not embedding.embedder
    assert there.get_text_embedding("kedge") == pytest.approx(
        embedding.get_text_embedding("kedge"), abs=1e-6
    )
    assert there.get_query_embedding("kedge") == pytest.approx(
        embedding.get_query_embedding("kedge"), abs=1e-6
    )
    assert embedding.get_text_embedding("here")  # and is as it was


def test_other_weights_at_the_same_place_are_refused(tmp_path: Path) -> None:
    folder = build_checkpoint(tmp_path / "model", Recipe(seed=0))
    sent = pickle.dumps(TrivetEmbedding(folder))
    shutil.rmtree(folder)
    build_checkpoint(folder, Recipe(seed=1))
    with pytest.raises(SpaceMismatchError, match="changed"):
        pickle.loads(sent)


def test_a_wrapped_model_is_refused(tiny_embedder) -> None:
    wrapped = trivet.Embedder.wrap(name="w", dims=4, documents=lambda t: [[1.0] * 4 for _ in t])
    for embedder in (wrapped, trivet.Embedder.compose(dense=wrapped)):
        with pytest.raises(InvalidInputError, match="num_workers"):
            pickle.dumps(TrivetEmbedding(embedder))


def test_the_stand_in_of_a_store_goes_along(memory_store: TrivetVectorStore) -> None:
    embedding = memory_store.embed_model
    assert pickle.loads(pickle.dumps(embedding)).to_dict() == embedding.to_dict()
