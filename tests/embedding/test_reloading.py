"""What an index keeps of an embedder makes the same embedder again."""

from __future__ import annotations

import json

import numpy as np
import pytest
from layouts import build_splade

from trivet import Embedder
from trivet.embedding.reloading import reload
from trivet.errors import MissingHeadError, ModelNotFoundError

TEXTS = ["a kedge is a light anchor", "leeway"]


@pytest.fixture(scope="module")
def splade(tmp_path_factory):
    return build_splade(tmp_path_factory.mktemp("splade") / "splade")


def hosted(**changes):
    def documents(texts):
        return [[float(len(text)), 1.0, 2.0] for text in texts]

    return Embedder.wrap(**{"name": "vendor/m", "dims": 3, "documents": documents, **changes})


def test_it_is_made_again_from_its_recipe(tiny_model, splade):
    dense = Embedder.load(tiny_model, layers=1, dims=8, prompts={"query": "find: {text}"})
    composed = Embedder.compose(dense=dense, sparse=splade, multi=dense)
    recipe = json.loads(json.dumps(composed.recipe))
    again = reload(composed.source, recipe)
    assert again.spaces == composed.spaces
    assert again.recipe == composed.recipe
    assert again.render("anchor") == composed.render("anchor")
    made, expected = again.embed_queries(TEXTS), composed.embed_queries(TEXTS)
    np.testing.assert_array_equal(made.dense.values, expected.dense.values)
    for leg in ("sparse", "multi"):
        for one, other in zip(made.legs[leg].values, expected.legs[leg].values, strict=True):
            pair = (one, other) if leg == "multi" else (one.values, other.values)
            np.testing.assert_array_equal(*pair)


def test_only_the_parts_of_the_legs_that_are_wanted_are_made_again(tiny_model, splade):
    composed = Embedder.compose(dense=hosted(revision="7"), sparse=splade)
    assert reload(composed.source, composed.recipe, ["sparse"]).modes == ("sparse",)
    with pytest.raises(ModelNotFoundError, match=r"wrap\(name='vendor/m', dims=3, revision='7', …"):
        reload(composed.source, composed.recipe, ["dense"])
    with pytest.raises(MissingHeadError, match="composed of parts for dense, sparse"):
        reload(composed.source, composed.recipe, ["multi"])


def test_a_checkpoint_is_made_again_from_its_recipe(tiny_model):
    embedder = Embedder.load(tiny_model, dims=8, prompts={"document": "text: {text}"})
    again = reload(embedder.source, json.loads(json.dumps(embedder.recipe)), ["dense"])
    assert again.spaces == {"dense": embedder.spaces["dense"]}
    assert reload(embedder.source, embedder.recipe).spaces == embedder.spaces
