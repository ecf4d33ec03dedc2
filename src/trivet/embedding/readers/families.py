"""Which layout a checkpoint folder has, and its `EncoderSpec`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trivet.embedding.readers import kinds
from trivet.embedding.readers.colbert import read_native, read_pylate, read_stanford
from trivet.embedding.readers.files import read_object_if_there, read_objects
from trivet.embedding.readers.m3 import with_m3_heads
from trivet.embedding.readers.modules import module_kind
from trivet.embedding.readers.sentence_transformers import read_dense
from trivet.embedding.readers.sparse import read_sparse
from trivet.embedding.spec import EncoderSpec
from trivet.errors import CheckpointError

LIBRARY = "config_sentence_transformers.json"


def read_checkpoint(folder: Path) -> EncoderSpec:
    """Read what a checkpoint is; no weights of its backbone are loaded.

    Args:
        folder: of one of the layouts that this library knows.

    Raises:
        UnknownModulesError: modules that this library does not run itself.
        CheckpointError: a file is missing or damaged, or says what this library does not know.
        MissingHeadError: one of two heads that belong together is missing.
    """
    library = read_object_if_there(folder / LIBRARY, kinds.LIBRARY)
    if library.get("model_type") == "ColBERT":
        return read_pylate(folder, library)
    modules = folder / "modules.json"
    if not modules.is_file():
        config = read_object_if_there(folder / "config.json", kinds.BACKBONE)
        if "HF_ColBERT" in (config.get("architectures") or ()):
            return read_stanford(folder)
        _require_bare(folder)
        return with_m3_heads(read_dense(folder), folder)
    chain = [module_kind(entry) for entry in read_objects(modules, kinds.MODULE)]
    if library.get("model_type") == "MultiVectorEncoder" or "MultiVectorMask" in chain:
        return read_native(folder)
    if _is_sparse(folder, chain):
        return read_sparse(folder, library)
    return with_m3_heads(read_dense(folder), folder)


def runs_elsewhere(folder: Path) -> bool:
    """Whether a folder holds a dense model of sentence-transformers, of whatever modules."""
    file = folder / "modules.json"
    if not file.is_file():
        return False
    chain = [module_kind(entry) for entry in read_objects(file, kinds.MODULE)]
    stated = read_object_if_there(folder / LIBRARY, kinds.LIBRARY).get("model_type")
    return (
        stated in (None, "SentenceTransformer")
        and "MultiVectorMask" not in chain
        and not _is_sparse(folder, chain)
    )


def _require_bare(folder: Path) -> None:
    """Refuse a folder that was one of modules before a file went missing: it is no bare model."""
    for name in (LIBRARY, "1_Pooling"):
        if (folder / name).exists():
            raise CheckpointError(
                f"expected the file modules.json in {folder}, which has {name}, got none: fetch "
                "the checkpoint anew"
            )


def _is_sparse(folder: Path, chain: Sequence[str]) -> bool:
    if "SpladePooling" in chain:
        return True
    routes = read_object_if_there(folder / "router_config.json", kinds.ROUTER).get("types") or {}
    routed = {module_kind({"type": kind}) for kind in routes.values()}
    return "Router" in chain and not routed.isdisjoint(("SpladePooling", "SparseStaticEmbedding"))
