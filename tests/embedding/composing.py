"""What tests of composed embedders share."""

from __future__ import annotations

import numpy as np

from trivet import Embedder

TEXTS = [
    "a kedge is a light anchor",
    "leeway",
    "wind and water " * 15,
    "what keeps a ship in place?",
]
MODES = ("dense", "sparse", "multi")


def hosted(**changes):
    def documents(texts):
        return [[float(len(text)), 1.0, 2.0] for text in texts]

    return Embedder.wrap(**{"name": "vendor/m", "dims": 3, "documents": documents, **changes})


def assert_same(made, expected, modes):
    """To the last bit."""
    assert tuple(made.legs) == tuple(modes)
    for mode in modes:
        one, other = made.legs[mode], expected.legs[mode]
        assert one.space == other.space
        if mode == "dense":
            np.testing.assert_array_equal(one.values, other.values)
        for row, wanted in zip(one.values, other.values, strict=True):
            if mode == "sparse":
                np.testing.assert_array_equal(row.indices, wanted.indices)
                np.testing.assert_array_equal(row.values, wanted.values)
            if mode == "multi":
                np.testing.assert_array_equal(row, wanted)
