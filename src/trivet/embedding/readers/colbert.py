"""A folder of a late-interaction model (ColBERT), in one of three layouts, as an `EncoderSpec`."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trivet.embedding.readers import kinds
from trivet.embedding.readers.files import (
    find_weights,
    read_object,
    read_object_if_there,
    whole_number,
)
from trivet.embedding.readers.modules import (
    Module,
    read_modules,
    read_projection,
    read_transformer,
    require_known,
)
from trivet.embedding.readers.sentence_transformers import read_backbone, with_library_config
from trivet.embedding.readers.tokens import TokenTable
from trivet.embedding.spec import EncoderSpec, Expansion, Projection, TokenPooling, TokenVectors
from trivet.errors import CheckpointError

KINDS = ("Transformer", "Dense", "MultiVectorMask", "Normalize")
_POOLING = "HierarchicalTokenPooling"

_TOKENS = "token_embeddings"
_QUERY_TOKENS = 32  # of ColBERT and of PyLate, where a checkpoint states none
_DOCUMENT_TOKENS = 180  # of PyLate
_LENGTHS = ("query_expansion", "query_length", "document_length")


def read_stanford(folder: Path) -> EncoderSpec:
    """The layout of Stanford's ColBERT: one weights file and artifact.metadata.

    Raises:
        CheckpointError: a file is missing or damaged, or a marker is no token.
    """
    spec = read_backbone(folder, {})
    metadata = read_object(folder / "artifact.metadata", kinds.STANFORD)
    table = TokenTable.read(folder)
    markers = {
        "query": metadata.get("query_token_id") or "[unused0]",
        "document": metadata.get("doc_token_id") or "[unused1]",
    }
    projection = _stanford_projection(folder, spec.dims, metadata)
    length = metadata.get("query_maxlen") or _QUERY_TOKENS
    head = TokenVectors(
        projection.out_features,
        (projection,),
        kept="all",
        skipped_ids=_ids(
            table, string.punctuation if metadata.get("mask_punctuation", True) else ()
        ),
        markers={role: _required(table, token, folder) for role, token in markers.items()},
        expansion=_expansion(
            table, length, attend=metadata.get("attend_to_mask_tokens"), token=None
        ),
    )
    documents = metadata.get("doc_maxlen") or spec.max_tokens
    return replace(
        spec,
        pooling=(),
        multi=head,
        max_tokens=min(documents, spec.max_tokens),
        query_tokens=length,
    )


def read_pylate(folder: Path, library: Mapping[str, Any]) -> EncoderSpec:
    """The layout of PyLate: Transformer and Dense, the rest in sentence-transformers' own file.

    Raises:
        CheckpointError: a file is missing or damaged, or a module is of an unknown kind.
    """
    spec, projections = _read_chain(folder)
    table = TokenTable.read(spec.folder)
    words = library.get("skiplist_words")
    prefixes = {role: library.get(f"{role}_prefix") or "" for role in ("query", "document")}
    markers = {role: _marker(table, prefix) for role, prefix in prefixes.items()}
    length = library.get("query_length") or _QUERY_TOKENS
    expansion = None
    if library.get("do_query_expansion", True) is not False:
        attend = library.get("attend_to_expansion_tokens")
        expansion = _expansion(table, length, attend=attend, token=None)
    head = TokenVectors(
        projections[-1].out_features if projections else spec.dims,
        projections,
        kept="all",
        skipped_ids=_ids(table, string.punctuation if words is None else words),
        markers={role: token for role, token in markers.items() if token is not None},
        expansion=expansion,
    )
    prompts = _without_markers(spec.prompts, prefixes, head.markers)
    documents = library.get("document_length") or _DOCUMENT_TOKENS
    return replace(spec, multi=head, prompts=prompts, max_tokens=documents, query_tokens=length)


def read_native(folder: Path) -> EncoderSpec:
    """The layout of sentence-transformers' MultiVectorEncoder, markers in its prompts.

    Raises:
        CheckpointError: a file is missing or damaged, or a module is of an unknown kind.
    """
    spec, projections = _read_chain(folder, (*KINDS, _POOLING))
    modules = read_modules(folder / "modules.json", (*KINDS, _POOLING))
    mask = next((place for kind, place in modules if kind == "MultiVectorMask"), folder)
    config = read_object_if_there(mask / "config.json", kinds.MASK) if mask != folder else {}
    require_known("keep_only_token_ids", config.get("keep_only_token_ids"), (None,), mask)
    normalised = [place for kind, place in modules if kind == "Normalize"]
    for place in normalised:
        stated = read_object_if_there(place / "config.json", kinds.NORMALIZE).get(
            "module_input_name"
        )
        require_known("module_input_name", stated, (_TOKENS,), place / "config.json")
    settings = read_transformer(spec.folder, obeyed=_LENGTHS)
    table = TokenTable.read(spec.folder)
    stated = settings.get("query_expansion")
    expansion, queries = None, settings.get("query_length") or spec.max_tokens
    if stated:
        length = whole_number(stated, ("length",), spec.folder)
        expansion = _expansion(
            table, length, attend=stated.get("attend"), token=stated.get("token")
        )
        queries = length if stated.get("strategy") == "fixed" else max(queries, length)
    head = TokenVectors(
        projections[-1].out_features if projections else spec.dims,
        projections,
        kept="all",
        skipped_ids=_ids(table, config.get("skiplist_words") or ()),
        skipping=tuple(config.get("skiplist_tasks") or ("document",)),
        expansion=expansion,
        normalise=bool(normalised),
        pooling=_read_pooling(modules, folder / "modules.json"),
    )
    documents = settings.get("document_length") or spec.max_tokens
    return replace(spec, multi=head, max_tokens=documents, query_tokens=queries)


def _read_pooling(modules: Sequence[Module], file: Path) -> TokenPooling | None:
    """The pooling of token vectors that a checkpoint ends with."""
    chain = [kind for kind, _ in modules]
    if _POOLING not in chain:
        return None
    if chain[-1] != _POOLING or "Normalize" not in chain:
        raise CheckpointError(
            f"expected {_POOLING} after Normalize and at the end, got {', '.join(chain)} in "
            f"{file}: choose a checkpoint of that order"
        )
    config = read_object(modules[-1][1] / "config.json", kinds.TOKEN_POOLING)
    factor = config.get("pool_factor", 1.0)
    if factor < 1:
        raise CheckpointError(
            f"expected pool_factor of 1 or more in {modules[-1][1]}, got {factor!r}: fetch the "
            "checkpoint anew"
        )
    if factor == 1:
        return None
    return TokenPooling(
        float(factor),
        protected=config.get("num_protected_tokens", 1),
        unit=bool(config.get("normalize_embeddings", False)),
        roles=tuple(config.get("tasks") or ("document",)),
    )


def _read_chain(
    folder: Path, known: Sequence[str] = KINDS
) -> tuple[EncoderSpec, tuple[Projection, ...]]:
    """The backbone and the layers over its token states."""
    file = folder / "modules.json"
    modules = read_modules(file, known)
    chain = [kind for kind, _ in modules]
    head = ["Transformer", *["Dense"] * chain.count("Dense")]
    if chain[: len(head)] != head or len(set(chain[len(head) :])) != len(chain) - len(head):
        raise CheckpointError(
            "expected Transformer, any number of Dense, then MultiVectorMask and Normalize, got "
            f"{', '.join(chain) or 'no module'} in {file}: choose a checkpoint of that order"
        )
    backbone = modules[0][1]
    spec = read_backbone(backbone, read_transformer(backbone, obeyed=_LENGTHS))
    projections: list[Projection] = []
    dims = spec.dims
    for kind, place in modules:
        if kind == "Dense":
            projections.append(read_projection(place, dims, over=_input(place)))
            dims = projections[-1].out_features
    spec = with_library_config(spec, folder / "config_sentence_transformers.json")
    return replace(spec, pooling=()), tuple(projections)


def _input(folder: Path) -> str:
    """The name of a Dense's input: PyLate's states none and reads token states all the same."""
    stated = read_object(folder / "config.json", kinds.DENSE).get("module_input_name")
    require_known("module_input_name", stated, (None, _TOKENS), folder / "config.json")
    return _TOKENS


def _stanford_projection(folder: Path, hidden: int, metadata: Mapping[str, Any]) -> Projection:
    """The layer that lies among the backbone's weights."""
    for file in find_weights(folder):
        # The door to torch: the layer's length is only in its file.
        from trivet.embedding.layers import read_tensors

        shape = {name: tuple(t.shape) for name, t in read_tensors(file, "linear.").items()}
        if set(shape) == {"linear.weight"} and shape["linear.weight"][1] == hidden:
            return Projection(file, hidden, shape["linear.weight"][0], False, "Identity")
    raise CheckpointError(
        f"expected linear.weight of {metadata.get('dim') or 'any'} × {hidden} among the weights "
        f"in {folder}, got none: fetch the checkpoint anew"
    )


def _expansion(table: TokenTable, length: int, *, attend: object, token: str | None) -> Expansion:
    """What fills up a query; [MASK], and the end token where there is none."""
    filler = table.id_of(token) if token is not None else table.special_id("mask_token")
    if filler is None and token is None:
        filler = table.special_id("eos_token")
    if filler is None:
        raise CheckpointError(
            f"expected a token that fills up queries, got none for {token or '[MASK]'!r}: fetch "
            "the checkpoint anew"
        )
    return Expansion(filler, length, bool(attend))


def _ids(table: TokenTable, words: Sequence[str]) -> tuple[int, ...]:
    """The ids of those words that are one token."""
    found = (table.id_of(word) for word in words)
    return tuple(sorted({token for token in found if token is not None}))


def _required(table: TokenTable, token: str, folder: Path) -> int:
    found = table.id_of(token)
    if found is None:
        raise CheckpointError(
            f"expected the marker {token!r} in the vocabulary of {folder}, got none: fetch the "
            "checkpoint anew"
        )
    return found


def _marker(table: TokenTable, prefix: str) -> int | None:
    """The token of a prefix, which may be stored with its blank; None where it is mere text."""
    if not prefix.strip():
        return None
    found = table.id_of(prefix)
    return table.id_of(prefix.split(None, 1)[0]) if found is None else found


def _without_markers(
    prompts: Mapping[str, str], prefixes: Mapping[str, str], markers: Mapping[str, int]
) -> dict[str, str]:
    """The prompts as text: less a prefix that is a token, with one that is not."""
    texts = dict(prompts)
    for role, prefix in prefixes.items():
        text = texts.get(role, "").removeprefix(prefix)
        texts[role] = text if role in markers else prefix + text
    return texts
