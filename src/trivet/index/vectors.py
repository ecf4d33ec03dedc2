"""Where the vectors of documents come from: the model, or the caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from trivet.errors import InvalidInputError, TrivetError
from trivet.index.chunking import Chunker, Span
from trivet.index.documents import CheckedDocument
from trivet.index.lexicon import bm25_for
from trivet.index.model import IndexModel
from trivet.index.titles import embed_titled
from trivet.store.manifest import LexicalState, Manifest
from trivet.store.store import Store
from trivet.types import Representations, require_same_space


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


def rendered(state: LexicalState, cut: CutDocument) -> list[str]:
    """The text of each piece as BM25 weighs it."""
    bm25 = bm25_for(state)
    return [bm25.render(title, text) for title, text in cut.titled_texts]


class VectorSource(Protocol):
    """Cuts documents into pieces and gives each piece its vectors.

    Attributes:
        are_given: whether the vectors are the caller's, and may differ where the text does not.
    """

    are_given: bool

    def cut(self, documents: Sequence[CheckedDocument]) -> list[CutDocument | TrivetError]:
        """The pieces of each document, or why it cannot be cut."""

    def embed(self, documents: Sequence[CutDocument]) -> list[Representations | TrivetError]:
        """The representations of each document's pieces, or why it cannot be embedded."""


class ModelVectors:
    """Vectors from the index's model; long documents become several chunks."""

    are_given = False

    def __init__(self, model: IndexModel, store: Store) -> None:
        self._model = model
        self._store = store
        self._chunker = Chunker(model.found(), store.manifest.chunk_tokens)

    def cut(self, documents: Sequence[CheckedDocument]) -> list[CutDocument | TrivetError]:
        """Pieces of at most `chunk_tokens` tokens."""
        return [
            pieces if isinstance(pieces, TrivetError) else CutDocument(document, tuple(pieces))
            for document, pieces in zip(documents, self._chunker.cut(documents), strict=True)
        ]

    def embed(self, documents: Sequence[CutDocument]) -> list[Representations | TrivetError]:
        """One forward pass for all pieces; if it is refused, one for each document."""
        try:
            every = self._represent(documents)
        except InvalidInputError as error:
            if len(documents) == 1:
                return [error]
            return [self.embed([cut])[0] for cut in documents]
        ends: list[int] = []
        for cut in documents:
            ends.append((ends[-1] if ends else 0) + len(cut.pieces))
        return [every[end - len(c.pieces) : end] for c, end in zip(documents, ends, strict=True)]

    def _represent(self, documents: Sequence[CutDocument]) -> Representations:
        """The legs of the index; without a dense leg the model's weights are never loaded."""
        manifest = self._store.manifest
        sparse = None
        if manifest.lexical is not None:
            sparse = bm25_for(manifest.lexical).embed_documents(
                [text for cut in documents for text in rendered(manifest.lexical, cut)]
            )
        if not manifest.model_modes:
            return Representations(sparse=sparse)
        titled = [text for cut in documents for text in cut.titled_texts]
        made = self._model.tokens.small(embed_titled(self._model.proved(), titled))
        return made if sparse is None else replace(made, sparse=sparse)


class GivenVectors:
    """Vectors that the caller brought: one for each document, which is stored as one chunk.

    Args:
        representations: in the order of the documents.
        documents: how many there are.
        manifest: every leg that is given must live in the index's space of its mode.

    Raises:
        SpaceMismatchError: a leg of another space.
        InvalidInputError: no representations, fewer or more than documents, a leg that the index
            does not have, or no dense leg where it has one.
    """

    are_given = True

    def __init__(
        self, representations: Representations, documents: int, manifest: Manifest
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
        spaces = manifest.spaces
        for mode, leg in representations.legs.items():
            if mode not in spaces:
                raise InvalidInputError(
                    f"expected representations with legs {', '.join(spaces)}, got a {mode} leg "
                    "too: this index does not have it"
                )
            require_same_space(spaces[mode], leg.space)
        if "dense" in spaces and representations.dense is None:
            raise InvalidInputError(
                "expected representations with a dense leg, got none: this index has one"
            )
        self._representations = representations

    def cut(self, documents: Sequence[CheckedDocument]) -> list[CutDocument | TrivetError]:
        """Each document is one piece."""
        return [CutDocument(d, ((0, len(d.text)),)) for d in documents]

    def embed(self, documents: Sequence[CutDocument]) -> list[Representations | TrivetError]:
        """The document's own vectors."""
        return [self._representations[cut.document.position] for cut in documents]
