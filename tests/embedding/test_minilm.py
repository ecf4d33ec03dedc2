"""The packaged all-MiniLM-L6-v2 gives the vectors that sentence-transformers gives."""

from __future__ import annotations

import numpy as np
import pytest

from trivet.embedding import Embedder

pytestmark = pytest.mark.model

TEXTS = [
    "a",
    "A kedge is a light anchor.",
    "Leeway is sideways drift.",
    "what keeps a ship in place?",
    "Ünïcödé, 日本語, emoji 🚢 and İstanbul.",
    "x" * 5_000,
    "https://example.org/a/very/long/path?with=parameters&and=more",
    "The boundary layer is thin. " * 5,
    "The boundary layer is thin. " * 30,
    "wind and water, rope and mast; " * 60,
    "one two three " * 4_000,
    "def pad(rows):\n    return [row + [0] * 3 for row in rows]\n",
]


@pytest.fixture(scope="module")
def embedder():
    return Embedder.load("all-MiniLM-L6-v2")


def test_vectors_equal_those_of_sentence_transformers(embedder):
    from sentence_transformers import SentenceTransformer

    folder = str(embedder.spec.folder)
    reference = SentenceTransformer(folder, device="cpu", local_files_only=True)
    expected = reference.encode(TEXTS)
    made = embedder.embed_documents(TEXTS, truncate=True).dense.values
    cosines = (made * expected).sum(axis=1) / np.linalg.norm(expected, axis=1)
    assert cosines.min() >= 0.99999
    np.testing.assert_allclose(made, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    others = expected @ expected.T - np.eye(len(TEXTS))
    assert np.sort(others, axis=None)[-3] < 0.9995  # all but one pair are told apart


def test_it_is_the_default_model_of_384_dims_and_256_tokens(embedder):
    assert embedder.source == "sentence-transformers/all-MiniLM-L6-v2"
    assert embedder.spaces["dense"].dims == 384
    assert embedder.max_tokens == 256
    assert embedder.spaces["dense"].facts["weights"] == (
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    )


def test_a_vector_depends_on_no_other_text_of_the_call(embedder):
    together = embedder.embed_documents(TEXTS, truncate=True).dense.values
    for position in (0, 3, 8):
        alone = embedder.embed_documents([TEXTS[position]]).dense.values[0]
        np.testing.assert_allclose(together[position], alone, atol=1e-6)
