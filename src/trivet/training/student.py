"""The model that is trained, as sentence-transformers runs it, with the wordings of the old one."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from trivet.embedding import Embedder
from trivet.embedding.checkpoint import CheckpointEmbedder
from trivet.embedding.kernels.torch import quietly
from trivet.embedding.locate import locate
from trivet.embedding.resolving import ROLE_NAMES
from trivet.embedding.spec import EncoderSpec
from trivet.errors import UntrainableModelError
from trivet.types import Representations, Vectors

_PROBES = ("anchor", "what keeps a ship in place, and how is it carried out?")
_PARITY = 0.999
_CUTS = ("layers", "dims", "token_pooling")


@dataclass(frozen=True)
class Wordings:
    """What is written before a query and before a document."""

    query: str
    document: str


def trainable(model: str | os.PathLike[str] | Embedder) -> CheckpointEmbedder:
    """The old model, if a checkpoint can be trained that has all that it has.

    Raises:
        UntrainableModelError: it is run by somebody else, is more than one dense leg, or is not
            loaded whole.
        ModelNotFoundError, CheckpointError: as `Embedder.load`.
    """
    embedder = model if isinstance(model, Embedder) else Embedder.load(model)
    if not isinstance(embedder, CheckpointEmbedder):
        raise UntrainableModelError(
            f"expected a checkpoint to train, got {embedder.name!r}, which is hosted elsewhere or "
            "composed: name the checkpoint itself"
        )
    reason = _untrainable(embedder.spec)
    if reason is not None:
        raise UntrainableModelError(
            f"expected a checkpoint with a dense leg alone, got {embedder.name!r}, {reason}: "
            "choose another model"
        )
    cut = [name for name in _CUTS if name in embedder.recipe]
    if cut:
        raise UntrainableModelError(
            f"expected a whole checkpoint, got {embedder.name!r} loaded with {cut[0]}: load it "
            "without"
        )
    dense = embedder.only(["dense"])
    assert isinstance(dense, CheckpointEmbedder)  # as it was
    return dense


def wordings_of(embedder: CheckpointEmbedder) -> Wordings:
    """What the old model writes around its texts.

    Raises:
        UntrainableModelError: something stands behind the text, where it would be cut off.
    """
    query, document = embedder.prompts.query(_PROBES[0]), embedder.prompts.document(_PROBES[0])
    if query.after or document.after:
        raise UntrainableModelError(
            f"expected wordings that end with the text for {embedder.name!r}, got "
            f"{(query.after or document.after)!r} behind it: choose another model"
        )
    return Wordings(query.before, document.before)


def open_student(embedder: CheckpointEmbedder, wordings: Wordings) -> SentenceTransformer:
    """Load the old model's weights to train them.

    Raises:
        UntrainableModelError: sentence-transformers does not run it as it is run here.
    """
    folder = locate(embedder.source).folder
    try:
        with quietly():
            student = SentenceTransformer(
                str(folder), local_files_only=True, model_kwargs={"dtype": torch.float32}
            )
    except Exception as error:  # the library and its many parts raise what they raise
        raise UntrainableModelError(
            f"expected a checkpoint that sentence-transformers loads, got {type(error).__name__} "
            f"for {embedder.name!r} ({error}): choose another model"
        ) from error
    # Those of other tasks stay in the checkpoint; another name of a role could contradict ours.
    tasks = {name: prompt for name, prompt in student.prompts.items() if name not in ROLE_NAMES}
    student.prompts = {**tasks, "query": wordings.query, "document": wordings.document}
    student.default_prompt_name = None
    require_same(embedder, student, wordings)
    return student


def require_same(embedder: Embedder, student: SentenceTransformer, wordings: Wordings) -> None:
    """Refuse a model that both libraries do not run alike.

    Raises:
        UntrainableModelError: vectors of the same text differ.
    """
    probes = list(_PROBES)
    ours = (embedder.embed_queries(probes), embedder.embed_documents(probes))
    theirs = (
        encode(student, probes, wordings.query),
        encode(student, probes, wordings.document),
    )
    for made, other in zip(ours, theirs, strict=True):
        assert made.dense is not None  # the one leg
        right = made.dense.values
        if right.shape != other.shape or float((right * other).sum(axis=1).min()) < _PARITY:
            raise UntrainableModelError(
                f"expected {embedder.name!r} to give sentence-transformers the vectors that it "
                "gives here, got others: its checkpoint does not state all that it needs; "
                "choose another model"
            )


def encode(student: SentenceTransformer, texts: Sequence[str], prompt: str) -> Vectors:
    """Unit vectors of texts by sentence-transformers: (n, d) float32."""
    rows: Vectors = student.encode(
        list(texts),
        prompt=prompt or None,
        batch_size=32,
        normalize_embeddings=True,
        show_progress_bar=False,
    )
    return rows.astype(np.float32, copy=False)


def teach(
    old: CheckpointEmbedder, columns: Sequence[Sequence[str]], max_tokens: int
) -> tuple[Tensor, ...]:
    """The old model's vectors of every text, each text embedded once.

    Args:
        old: the old model.
        columns: queries, positives and, of triplets, negatives.
        max_tokens: that are read of a text, as in training: what is compared has read the same.

    Raises:
        InstructionError: the model's wording leaves no room for a text.
    """
    longest = min(old.spec.max_tokens, max_tokens)
    asked = min(old.spec.query_tokens or longest, longest)
    window = replace(old, spec=replace(old.spec, max_tokens=longest, query_tokens=asked))
    queries = _each(columns[0], window.embed_queries)
    documents = [text for column in columns[1:] for text in column]
    taught, size = _each(documents, window.embed_documents), len(columns[0])
    return (queries, *(taught[start : start + size] for start in range(0, len(taught), size)))


def save_student(student: SentenceTransformer, folder: Path) -> None:
    """Write a checkpoint that both libraries load."""
    with quietly():
        student.save_pretrained(str(folder), create_model_card=False)


def _each(texts: Sequence[str], embed: Callable[..., Representations]) -> Tensor:
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    dense = embed(list(places), truncate=True).dense
    assert dense is not None  # the one leg
    return torch.from_numpy(dense.values[[places[text] for text in texts]])


def _untrainable(spec: EncoderSpec) -> str | None:
    """Why no checkpoint can be trained that has all that this one has; None = it can."""
    if spec.sparse is not None:
        return "which has a head for sparse vectors that the training would leave behind"
    if spec.multi is not None and (spec.multi.projections or spec.multi.markers):
        return "which has a head for token vectors that the training would leave behind"
    if not spec.pooling:
        return "which makes no dense vectors"
    if spec.latent is not None or spec.loading.remote_code:
        return "which runs by code of its own"
    if spec.chain is not None:
        return "whose modules are not known here"
    return None
