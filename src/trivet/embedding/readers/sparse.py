"""A folder of a sparse encoder (SPLADE, Granite-sparse, document-only) becomes an `EncoderSpec`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from trivet.embedding.readers import kinds
from trivet.embedding.readers.files import find_weights, read_object, whole_number
from trivet.embedding.readers.modules import (
    Module,
    inside,
    module_kind,
    read_modules,
    read_transformer,
    require_known,
)
from trivet.embedding.readers.sentence_transformers import read_backbone, with_library_config
from trivet.embedding.spec import EncoderSpec, VocabularyWeights
from trivet.errors import CheckpointError

KINDS = ("Transformer", "MLMTransformer", "SpladePooling", "Router")

_POOLINGS = ("max", "sum")
_ACTIVATIONS = ("relu", "log1p_relu")
_CHAINS = (["Transformer", "SpladePooling"], ["MLMTransformer", "SpladePooling"])


def read_sparse(folder: Path, library: dict[str, Any]) -> EncoderSpec:
    """Read what a sparse encoder is from its JSON files; no weights are loaded.

    Args:
        folder: holds modules.json.
        library: what sentence-transformers keeps for the whole.

    Raises:
        CheckpointError: a file is missing or damaged, or a module is of an unknown kind.
    """
    file = folder / "modules.json"
    modules = read_modules(file, KINDS)
    query_folder = None
    if [kind for kind, _ in modules] == ["Router"]:
        modules, query_folder = _read_routes(modules[0][1] / "router_config.json")
    if [kind for kind, _ in modules] not in _CHAINS:
        raise CheckpointError(
            f"expected a masked language model and SpladePooling, got "
            f"{', '.join(kind for kind, _ in modules) or 'no module'} in {file}: choose a "
            "checkpoint of that order"
        )
    (_, backbone), (_, pooling) = modules
    spec = read_backbone(backbone, read_transformer(backbone, task="fill-mask"))
    config = read_object(backbone / "config.json", kinds.BACKBONE)
    head = replace(
        _read_pooling(pooling / "config.json"),
        vocabulary=whole_number(config, ("vocab_size",), backbone / "config.json"),
        max_active=library.get("max_active_dims"),
        query_folder=query_folder,
    )
    spec = with_library_config(spec, folder / "config_sentence_transformers.json")
    return replace(spec, pooling=(), sparse=head, multi=None)


def _read_pooling(file: Path) -> VocabularyWeights:
    config = read_object(file, kinds.SPLADE)
    pooling = config.get("pooling_strategy", "max")
    activation = config.get("activation_function", "relu")
    require_known("pooling_strategy", pooling, _POOLINGS, file)
    require_known("activation_function", activation, _ACTIVATIONS, file)
    return VocabularyWeights(0, pooling, activation)


def _read_routes(file: Path) -> tuple[list[Module], Path]:
    """The document modules of a router, and the folder of its static query side."""
    config = read_object(file, kinds.ROUTER)
    structure, types = config.get("structure") or {}, config.get("types") or {}
    require_known("routes", sorted(structure), (["document", "query"],), file)
    require_known(
        "route_mappings",
        (config.get("parameters") or {}).get("route_mappings") or None,
        (None,),
        file,
    )
    routes = {
        route: [(module_kind({"type": types.get(name)}), inside(file, name)) for name in names]
        for route, names in structure.items()
    }
    query = routes["query"]
    require_known("query modules", [kind for kind, _ in query], (["SparseStaticEmbedding"],), file)
    find_weights(query[0][1])
    return routes["document"], query[0][1]
