"""Which layout a checkpoint folder has, and its `EncoderSpec`."""

from __future__ import annotations

from pathlib import Path

from trivet.embedding.readers.colbert import read_native, read_pylate, read_stanford
from trivet.embedding.readers.files import read_object_if_there, read_objects
from trivet.embedding.readers.m3 import with_m3_heads
from trivet.embedding.readers.modules import module_kind
from trivet.embedding.readers.sentence_transformers import read_dense
from trivet.embedding.readers.sparse import read_sparse
from trivet.embedding.spec import EncoderSpec


def read_checkpoint(folder: Path) -> EncoderSpec:
    """Read what a checkpoint is; no weights of its backbone are loaded.

    Args:
        folder: of one of the layouts that this library knows.

    Raises:
        CheckpointError: a file is missing or damaged, or says what this library does not know.
        MissingHeadError: one of two heads that belong together is missing.
    """
    library = read_object_if_there(folder / "config_sentence_transformers.json")
    if library.get("model_type") == "ColBERT":
        return read_pylate(folder, library)
    modules = folder / "modules.json"
    if not modules.is_file():
        config = read_object_if_there(folder / "config.json")
        if "HF_ColBERT" in (config.get("architectures") or ()):
            return read_stanford(folder)
        return with_m3_heads(read_dense(folder), folder)
    kinds = [module_kind(entry) for entry in read_objects(modules)]
    if library.get("model_type") == "MultiVectorEncoder" or "MultiVectorMask" in kinds:
        return read_native(folder)
    if "SpladePooling" in kinds or kinds == ["Router"]:
        return read_sparse(folder, library)
    return with_m3_heads(read_dense(folder), folder)
