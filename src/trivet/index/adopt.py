"""Adopting a collection: an index over what another Qdrant integration has written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from trivet.config import Lexical, ServerSettings, Settings
from trivet.embedding import Embedder
from trivet.errors import InvalidInputError, SpaceMismatchError
from trivet.index.index import Index
from trivet.index.keywords import checked_keywords
from trivet.index.lexicon import bm25_for, initial_state
from trivet.index.shared import Shared
from trivet.languages import AUTO
from trivet.store.folder import new_manifest
from trivet.types import Mode, Space, Vectors

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

    from trivet.store.adopted_layout import Layout
    from trivet.store.adopting import ForeignCollection

# Half-precision copies and other prompts are above .9, vectors of two models around 0.
LEAST_COSINE = 0.7


@checked_keywords
def adopt(
    location: str | QdrantClient,
    collection: str,
    *,
    model: str | os.PathLike[str] | Embedder,
    lexical: Lexical | None = None,
    vector: str | None = None,
    sparse_vector: str | None = None,
    content_key: str = "page_content",
    metadata_key: str = "metadata",
    settings: Settings | None = None,
    server: ServerSettings | None = None,
) -> Index:
    """Open a collection that langchain-qdrant or LlamaIndex's Qdrant store has made, as it is.

    Nothing in it is changed, and nothing can be written: every point is a document under its own
    id. A few points are embedded again, to prove that the model is the one that made the vectors.

    Args:
        location: the URL of a Qdrant server, or a `QdrantClient`, which is not closed by the index.
        collection: its name.
        model: what made the dense vectors: a name, a folder or an `Embedder`. Its sparse leg, if
            it has one, is taken to have made the sparse vectors.
        lexical: that BM25 made the sparse vectors, as Qdrant's own or fastembed's "Qdrant/bm25"
            does; its language must be said. None = sparse vectors are left alone, unless the model
            makes some.
        vector: name of the dense vector; "" = the unnamed one. None = the only one.
        sparse_vector: name of the sparse vector. None = the only one.
        content_key: where langchain-qdrant put the text.
        metadata_key: where it put the metadata.
        settings: of searches.
        server: how to reach the server.

    Raises:
        NotAnIndexError: no such collection, an empty one, an index of Trivet, or payloads that
            neither of the two writes.
        SpaceMismatchError: the model did not make the vectors that are stored.
        InvalidInputError: a vector that is not there, or several to choose from.
        ModelNotFoundError, CheckpointError: the model cannot be found or read.
        StoreError: as `trivet.open` on a server.
    """
    # The door to qdrant_client, which takes half a second to import.
    from trivet.store.adopting import ForeignCollection

    if lexical is not None and lexical.language == AUTO:
        raise InvalidInputError(
            'expected the language that BM25 was made with, got "auto": say Lexical("en")'
        )
    embedder = model if isinstance(model, Embedder) else Embedder.load(model)
    found = ForeignCollection(location, collection, server or ServerSettings())
    try:
        return _index(
            found,
            found.layout(content_key, metadata_key),
            embedder,
            lexical,
            (vector, sparse_vector),
            settings or Settings(),
        )
    except BaseException:
        found.close()
        raise


def _index(
    found: ForeignCollection,
    layout: Layout,
    embedder: Embedder,
    lexical: Lexical | None,
    vectors: tuple[str | None, str | None],
    settings: Settings,
) -> Index:
    dense = embedder.only(["dense"])
    spaces: dict[Mode, Space] = {"dense": dense.spaces["dense"]}
    names = {spaces["dense"]: found.dense_name(vectors[0], spaces["dense"].dims)}
    state = None
    sparse = found.sparse_name(vectors[1]) if lexical or "sparse" in embedder.modes else None
    if lexical is not None:
        if sparse is None:
            raise InvalidInputError(
                f"expected no lexical for {found.name!r}, got one: it has no sparse vectors"
            )
        state = initial_state(lexical)
    if sparse is not None:
        spaces["sparse"] = bm25_for(state).space if state else embedder.spaces["sparse"]
        names[spaces["sparse"]] = sparse
    _require_maker(found, layout, dense, names[spaces["dense"]])
    manifest = new_manifest(embedder.source, embedder.recipe, spaces, embedder.max_tokens, state)
    store = found.store(layout, manifest, names)
    return Index(Shared(found.location, store, lambda: embedder, settings))


def _require_maker(found: ForeignCollection, layout: Layout, dense: Embedder, name: str) -> None:
    from trivet.store.adopting import least_likely

    def embed(texts: list[str]) -> Vectors:
        made = dense.embed_documents(texts, truncate=True).dense
        if made is None:
            raise InvalidInputError(f"expected a model with a dense leg, got {dense.name!r}")
        return made.values

    cosine = least_likely(found.samples(layout, name), embed)
    if cosine < LEAST_COSINE:
        raise SpaceMismatchError(
            f"the collection {found.name!r} holds vectors that {dense.name!r} did not make: its "
            f"own vectors of the stored texts have cosine {cosine:.2f} with them (at least "
            f"{LEAST_COSINE} expected): adopt it with the model that made them"
        )
