"""Where the vectors of documents come from: the model, or the caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Protocol

import numpy as np

from trivet.embedding.lexical import WeighedTexts
from trivet.errors import InvalidInputError, TrivetError
from trivet.index.absent import with_ways_out
from trivet.index.beside import cutting_model, embed_beside, embed_own
from trivet.index.chunking import Chunker, Span
from trivet.index.documents import CheckedDocument
from trivet.index.lexicon import bm25_for
from trivet.index.model import IndexModel
from trivet.index.unchanged import with_stored
from trivet.store.manifest import LexicalState
from trivet.store.store import Store
from trivet.types import DenseVectors, Representations, require_same_space


@dataclass(frozen=True)
class CutDocument:
    """A document and the pieces that it is stored as."""

    document: CheckedDocument
    pieces: tuple[Span, ...]

    @property
    def titled_texts(self) -> list[tuple[str, str]]:
        """Title and text of each piece."""
        title, text = self.document.title, self.document.text
        return [(title, text[slice(*piece)]) for piece in self.pieces]


@dataclass(frozen=True, eq=False)
class EmbeddedDocument:
    """The vectors of a document's pieces, and how long they are.

    Attributes:
        vectors: one of every leg for each piece.
        terms: length of all pieces in BM25's terms; 0 without a BM25 leg.
        beside: what the other model of an upgrade makes of the pieces; None if that is not stored.
        carried: names of vectors that were carried over, or left out, for want of a model.
    """

    vectors: Representations
    terms: int
    beside: Representations | None = None
    carried: tuple[str, ...] = ()

    @property
    def model_names(self) -> set[str]:
        """The vector names of the legs that models made, or would have."""
        legs = [*self.vectors.legs.values(), *(self.beside.legs.values() if self.beside else ())]
        made = {leg.space.vector_name for leg in legs if not leg.space.is_lexical}
        return made.union(self.carried)


def with_bm25(
    state: LexicalState | None,
    documents: Sequence[CutDocument],
    vectors: Sequence[Representations],
) -> list[EmbeddedDocument]:
    """Add the BM25 leg, if the index has one, to vectors without it or with one of another space.

    Args:
        state: how the index weighs; None without a BM25 leg.
        documents: all are analysed at once, which gives weights and lengths.
        vectors: of each document.
    """
    if state is None:
        return [EmbeddedDocument(one, 0) for one in vectors]
    embedded = []
    for one, weighed in zip(vectors, weigh(state, documents), strict=True):
        fits = one.sparse is not None and one.sparse.space == weighed.vectors.space
        every = one if fits else one.with_sparse(weighed.vectors)
        embedded.append(EmbeddedDocument(every, sum(weighed.lengths)))
    return embedded


def weigh(state: LexicalState, documents: Sequence[CutDocument]) -> list[WeighedTexts]:
    """Weigh the pieces of each document as the state says."""
    bm25 = bm25_for(state)
    titled = [piece for cut in documents for piece in cut.titled_texts]
    # Texts were checked at the door; of an adopted collection some may be copied without.
    every = bm25.weigh([bm25.render(title, text) for title, text in titled], blank=True)
    return [every[some] for some in _slices(documents)]


class VectorSource(Protocol):
    """Cuts documents into pieces and gives each piece its vectors.

    Attributes:
        are_given: whether the vectors are the caller's, and may differ where the text does not.
    """

    are_given: bool

    def cut(self, documents: Sequence[CheckedDocument]) -> list[CutDocument | TrivetError]:
        """The pieces of each document, or why it cannot be cut."""

    def embed(self, documents: Sequence[CutDocument]) -> list[EmbeddedDocument | TrivetError]:
        """The vectors of each document's pieces, or why it cannot be embedded."""


class ModelVectors:
    """Vectors from the index's model; long documents become several chunks.

    Args:
        model: of the index.
        store: of the index.
        replaces: whether documents may be there already, of which what has not changed keeps its
            vectors.
    """

    are_given = False

    def __init__(self, model: IndexModel, store: Store, *, replaces: bool = False) -> None:
        self._model = model
        self._replaces = replaces
        self._store = store
        with with_ways_out(store):
            embedder = cutting_model(store, model)
        # The index may have been made with a model that read more than the one it was upgraded to.
        tokens = min(store.manifest.chunk_tokens, embedder.max_tokens)
        self._chunker = Chunker(embedder, tokens)

    def cut(self, documents: Sequence[CheckedDocument]) -> list[CutDocument | TrivetError]:
        """Pieces of at most `chunk_tokens` tokens."""
        return [
            pieces if isinstance(pieces, TrivetError) else CutDocument(document, tuple(pieces))
            for document, pieces in zip(documents, self._chunker.cut(documents), strict=True)
        ]

    def embed(self, documents: Sequence[CutDocument]) -> list[EmbeddedDocument | TrivetError]:
        """One forward pass for all pieces; if it is refused, one for each document."""
        try:
            return [*self._represent(documents)]
        except InvalidInputError as error:
            if len(documents) == 1:
                return [error]
            return [self.embed([cut])[0] for cut in documents]

    def _represent(self, documents: Sequence[CutDocument]) -> list[EmbeddedDocument]:
        """The legs of the index; without a dense leg the model's weights are never loaded."""
        manifest = self._store.manifest
        lexical = manifest.lexical
        if lexical is not None and not manifest.model_modes:
            return [
                EmbeddedDocument(Representations(sparse=weighed.vectors), sum(weighed.lengths))
                for weighed in weigh(lexical, documents)
            ]
        titled = [text for cut in documents for text in cut.titled_texts]
        keyed = [(cut.document.key, text) for cut in documents for text in cut.titled_texts]
        mapped: set[str] = set()

        def make(titled: Sequence[tuple[str, str]]) -> Representations:
            with with_ways_out(self._store):
                made = embed_own(self._store, self._model, titled)
            mapped.update(made.carried)
            return made.vectors

        every = with_stored(self._store, keyed, make) if self._replaces else make(titled)
        embedded = with_bm25(lexical, documents, [every[some] for some in _slices(documents)])
        carried = [replace(one, carried=tuple(sorted(mapped))) for one in embedded]
        return with_beside(self._store, self._model, documents, carried)


def with_beside(
    store: Store,
    model: IndexModel,
    documents: Sequence[CutDocument],
    embedded: Sequence[EmbeddedDocument],
) -> list[EmbeddedDocument]:
    """Add what the other model of an upgrade makes of the pieces, while that is stored.

    Raises:
        ModelError, SpaceMismatchError: it is not to be had, and nothing stands in for it.
    """
    titled = [text for cut in documents for text in cut.titled_texts]
    dense = [one.vectors.dense for one in embedded if one.vectors.dense is not None]
    own = None
    if dense:
        own = DenseVectors(dense[0].space, np.concatenate([leg.values for leg in dense]))
    with with_ways_out(store):
        made = embed_beside(store, model, titled, own)
    if made is None:
        return [*embedded]
    return [
        replace(one, beside=made.vectors[some], carried=(*one.carried, *made.carried))
        for one, some in zip(embedded, _slices(documents), strict=True)
    ]


class GivenVectors:
    """Vectors that the caller brought: one for each document, which is stored as one chunk.

    Args:
        representations: in the order of the documents.
        documents: how many there are.
        store: every leg that is given must live in the index's space of its mode.
        model: of the index: during an upgrade, the other one embeds the texts.

    Raises:
        SpaceMismatchError: a leg of another space.
        InvalidInputError: no representations, fewer or more than documents, a leg that the index
            does not have, or none of a leg that its model makes.
    """

    are_given = True

    def __init__(
        self, representations: Representations, documents: int, store: Store, model: IndexModel
    ) -> None:
        if not isinstance(representations, Representations):
            raise InvalidInputError(
                f"expected Representations, got {type(representations).__name__}"
            )
        if len(representations) != documents:
            raise InvalidInputError(
                f"expected as many representations as documents ({documents}), "
                f"got {len(representations)}"
            )
        spaces = store.manifest.spaces
        for mode, leg in representations.legs.items():
            if mode not in spaces:
                raise InvalidInputError(
                    f"expected representations with legs {', '.join(spaces)}, got a {mode} leg "
                    "too: this index does not have it"
                )
            if mode != "multi":
                require_same_space(spaces[mode], leg.space)
        missing = [mode for mode in store.manifest.model_modes if mode not in representations.legs]
        if missing:
            raise InvalidInputError(
                f"expected representations with a {missing[0]} leg, got none: this index has one; "
                "trivet.open(…, modes=…) makes an index of other legs"
            )
        self._representations = model.tokens.small(representations)
        self._store = store
        self._model = model

    def cut(self, documents: Sequence[CheckedDocument]) -> list[CutDocument | TrivetError]:
        """Each document is one piece."""
        return [CutDocument(d, ((0, len(d.text)),)) for d in documents]

    def embed(self, documents: Sequence[CutDocument]) -> list[EmbeddedDocument | TrivetError]:
        """The document's own vectors."""
        own = [self._representations[cut.document.position] for cut in documents]
        embedded = with_bm25(self._store.manifest.lexical, documents, own)
        return [*with_beside(self._store, self._model, documents, embedded)]


def _slices(documents: Sequence[CutDocument]) -> list[slice]:
    """Where each document's pieces are among those of all."""
    ends = list(accumulate((len(cut.pieces) for cut in documents), initial=0))
    return [slice(start, end) for start, end in pairwise(ends)]
