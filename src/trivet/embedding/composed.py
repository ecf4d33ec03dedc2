"""An embedder of several models, each of which makes the leg that it is best at."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from semantic_text_splitter import TextSplitter

from trivet.embedding.embedder import Embedder, Part
from trivet.embedding.sharing import joined
from trivet.embedding.texts import checked_titles, require_texts
from trivet.errors import InstructionError, UnknownModeError, UnknownTaskError
from trivet.query import Query
from trivet.types import MODES, Mode, Representations, Space

# The source of an embedder whose recipe holds its parts.
COMPOSED = "composed"


@dataclass(frozen=True, repr=False, eq=False)
class ComposedEmbedder(Embedder):
    """Several models behind one interface; a text that one of them cannot read is refused.

    Attributes:
        name: the names of the parts.
        source: says that it is composed.
        recipe: source and recipe of each part.
        spaces: of each leg, the one of the part that makes it.
        max_tokens: the fewest that a part reads.
        parts: who makes each leg.
        passes: the same, where parts that are one checkpoint are one.
    """

    name: str
    source: str
    recipe: Mapping[str, Any]
    spaces: Mapping[Mode, Space]
    max_tokens: int
    parts: Mapping[Mode, Embedder]
    passes: tuple[Embedder, ...]

    @property
    def is_loaded(self) -> bool:
        """Whether the weights of every part are in memory."""
        return all(embedder.is_loaded for embedder in self.passes)

    @property
    def task(self) -> str:
        """What the documents are to be found for by the first part."""
        return self.passes[0].task

    @property
    def tasks(self) -> tuple[str, ...]:
        """What every part has its own wording for."""
        known = set.intersection(*(set(embedder.tasks) for embedder in self.passes))
        return tuple(sorted(known))

    @property
    def takes_titles(self) -> bool:
        """Whether a part has a place for a title; the others read it before the text."""
        return any(embedder.takes_titles for embedder in self.passes)

    def part(self, mode: Mode) -> Embedder:
        """Who makes a leg.

        Raises:
            MissingHeadError: nobody.
        """
        self.only((mode,))
        return self.parts[mode]

    def load_weights(self) -> None:
        """Load the weights of every part now."""
        for embedder in self.passes:
            embedder.load_weights()

    def render(self, query: str | Query) -> str:
        """The exact text of a query; where the parts read others, a line "leg: text" for each."""
        require_texts([query.text if isinstance(query, Query) else query])
        asked = query if isinstance(query, Query) else Query(query)
        pairs = zip(self.passes, self._queries(asked), strict=True)
        return _shown((embedder.modes, embedder.render(each)) for embedder, each in pairs)

    def render_document(self, text: str, *, title: str = "") -> str:
        """The exact text of a document; shown as in `render`."""
        require_texts([text])
        rendered = []
        for embedder in self.passes:
            (own_text,), (own_title,) = self._titled(embedder, [text], [title])
            rendered.append((embedder.modes, embedder.render_document(own_text, title=own_title)))
        return _shown(rendered)

    def count_tokens(
        self, texts: Sequence[str], *, titles: Sequence[str] | None = None
    ) -> list[int]:
        """Tokens of each text as a document: of the part that counts most."""
        require_texts(texts, blank=True)
        given = checked_titles(texts, titles)
        counts = []
        for embedder in self.passes:
            own_texts, own_titles = self._titled(embedder, texts, given)
            counts.append(embedder.count_tokens(own_texts, titles=own_titles))
        return [max(of_text) for of_text in zip(*counts, strict=True)]

    def text_splitter(self, tokens: int) -> TextSplitter:
        """What cuts a long text, by the tokens of every part."""
        if len(self.passes) == 1:
            return self.passes[0].text_splitter(tokens)
        return super().text_splitter(tokens)

    def __repr__(self) -> str:
        state = "loaded" if self.is_loaded else "not loaded"
        return f"Embedder({self.name!r}, modes={list(self.modes)}, {state})"

    def _with_spaces(self, spaces: Mapping[Mode, Space]) -> Embedder:
        kept = {mode: part for mode, part in self.parts.items() if mode in spaces}
        held = [[m for m in embedder.modes if m in spaces] for embedder in self.passes]
        pairs = zip(self.passes, held, strict=True)
        return _composed(kept, tuple(embedder.only(modes) for embedder, modes in pairs if modes))

    def _embed_documents(
        self, texts: Sequence[str], titles: Sequence[str], truncate: bool
    ) -> Representations:
        made = []
        for embedder in self.passes:
            own_texts, own_titles = self._titled(embedder, texts, titles)
            made.append(embedder.embed_documents(own_texts, titles=own_titles, truncate=truncate))
        return _together(made)

    def _embed_queries(self, queries: Sequence[Query], truncate: bool) -> Representations:
        rows = [self._queries(query) for query in queries]
        return _together(
            embedder.embed_queries([row[number] for row in rows], truncate=truncate)
            for number, embedder in enumerate(self.passes)
        )

    def _queries(self, query: Query) -> list[Query]:
        """The query for each pass, with what its model has a place for; raises if none has."""
        kept = [Query(query.text) for _ in self.passes]
        for field in ("task", "instruction", "examples"):
            asked = getattr(query, field)
            if not asked:
                continue
            refusals = []
            for number, embedder in enumerate(self.passes):
                wider = replace(kept[number], **{field: asked})
                try:
                    embedder.render(wider)
                except (UnknownTaskError, InstructionError) as error:
                    refusals.append(error)
                else:
                    kept[number] = wider
            if len(refusals) == len(self.passes):
                raise refusals[0]
        return kept

    def _titled(
        self, embedder: Embedder, texts: Sequence[str], titles: Sequence[str]
    ) -> tuple[Sequence[str], Sequence[str]]:
        """Texts and titles for one pass."""
        # Where no part has a place, a title is refused by whoever reads it first.
        if embedder.takes_titles or not self.takes_titles:
            return texts, titles
        pairs = zip(titles, texts, strict=True)
        whole = [f"{title} {text}" if title.strip() else text for title, text in pairs]
        return whole, [""] * len(texts)


def compose_parts(given: Mapping[Mode, Part | None]) -> ComposedEmbedder:
    """Join several models, as `Embedder.compose` says."""
    named: dict[str, tuple[str | os.PathLike[str], list[Mode]]] = {}
    parts: dict[Mode, Embedder] = {}
    for mode in MODES:
        part = given.get(mode)
        if isinstance(part, ComposedEmbedder):
            part = part.part(mode)
        if isinstance(part, Embedder):
            parts[mode] = part.only((mode,))
        elif part is not None:
            named.setdefault(repr(part), (part, []))[1].append(mode)
    for name, modes in named.values():
        embedder = Embedder.load(name, modes=modes)
        parts.update({mode: embedder.only((mode,)) for mode in modes})
    if not parts:
        raise UnknownModeError("expected a model for dense, sparse or multi, got none: name one")
    ordered = {mode: parts[mode] for mode in MODES if mode in parts}
    return _composed(ordered, joined(ordered))


def _composed(parts: Mapping[Mode, Embedder], passes: tuple[Embedder, ...]) -> ComposedEmbedder:
    stored = {mode: {"source": p.source, "recipe": dict(p.recipe)} for mode, p in parts.items()}
    return ComposedEmbedder(
        name=" + ".join(dict.fromkeys(part.name for part in parts.values())),
        source=COMPOSED,
        recipe={"parts": stored},
        spaces={mode: part.spaces[mode] for mode, part in parts.items()},
        max_tokens=min(part.max_tokens for part in parts.values()),
        parts=parts,
        passes=passes,
    )


def _shown(rendered: Iterable[tuple[Sequence[Mode], str]]) -> str:
    """The text that every leg is made of; where they differ, a line for each leg."""
    texts = {mode: text for modes, text in rendered for mode in modes}
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return "\n".join(f"{mode}: {texts[mode]}" for mode in MODES if mode in texts)


def _together(made: Iterable[Representations]) -> Representations:
    """Representations of the same texts, each with other legs, as one."""
    legs: dict[str, Any] = {mode: leg for one in made for mode, leg in one.legs.items()}
    return Representations(**legs)
