"""The modules that sentence-transformers saves: their chain, and the settings of single ones."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeAlias

from trivet.embedding.readers import kinds
from trivet.embedding.readers.files import (
    find_weights,
    positive_number,
    read_object,
    read_object_if_there,
    read_objects,
    whole_number,
)
from trivet.embedding.spec import Projection
from trivet.errors import CheckpointError

Module: TypeAlias = tuple[str, Path]  # its kind and its folder

ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "SiLU", "Sigmoid")

_LIBRARIES = ("sentence_transformers.", "pylate.")
_FAMILIES = ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
# Settings that must be absent or empty, because they would change vectors and we don't obey them.
_UNREAD_SETTINGS = ("processing_kwargs", "query_expansion", "query_length", "document_length")
# Of the tokenizer: its window is read, and texts are padded on the right whatever it says.
_READ_KEYWORDS = ("model_max_length", "padding_side")
# Keywords for the backbone that leave the vectors of this library as they are.
_HARMLESS_KEYWORDS = ("dtype", "torch_dtype", "attn_implementation", "add_pooling_layer")


class UnknownModulesError(CheckpointError):
    """Modules that this library does not run itself, and that sentence-transformers may."""


def read_modules(file: Path, known: Collection[str]) -> list[Module]:
    """The modules that a modules.json names.

    Args:
        file: the modules.json.
        known: those that the caller knows.

    Raises:
        UnknownModulesError: a module of another kind.
        CheckpointError: one outside the checkpoint's folder.
    """
    modules = [
        (module_kind(entry), inside(file, str(entry.get("path", ""))))
        for entry in read_objects(file, kinds.MODULE)
    ]
    for kind, _ in modules:
        _require_ours("module", kind, known, file)
    return modules


def module_kind(entry: dict[str, Any]) -> str:
    """The short name of a module of a library that we know, and the whole name of another."""
    kind = str(entry.get("type", ""))
    return kind.rpartition(".")[2] if kind.startswith(_LIBRARIES) else kind


def inside(file: Path, name: str) -> Path:
    """The folder of a module that a file names.

    Raises:
        CheckpointError: it lies outside the file's folder.
    """
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise CheckpointError(
            f"expected modules inside the checkpoint's folder, got {name!r} in {file}: "
            "fetch the checkpoint anew from a source that you trust"
        )
    return file.parent / name


def read_transformer(
    folder: Path, *, task: str = "feature-extraction", obeyed: Collection[str] = ()
) -> dict[str, Any]:
    """The settings of the Transformer module, none of them one that we would have to obey.

    Args:
        folder: of the module.
        task: what its model is for.
        obeyed: settings that the caller reads.

    Raises:
        CheckpointError: a setting that changes vectors in a way that is not ours.
    """
    files = [folder / f"sentence_{family}_config.json" for family in _FAMILIES]
    file = next((file for file in files if file.is_file()), files[0])
    settings = read_object_if_there(file, kinds.TRANSFORMER)
    tokenizer = settings.get("processor_kwargs") or settings.get("tokenizer_args") or {}
    model = settings.get("model_kwargs") or settings.get("model_args") or {}
    config = settings.get("config_kwargs") or settings.get("config_args") or {}
    modalities = settings.get("modality_config") or {"text": {}}
    require_known("modality_config", "text", modalities, file)
    expected = "logits" if task == "fill-mask" else "last_hidden_state"
    output = (modalities["text"] or {}).get("method_output_name", expected)
    name = settings.get("module_output_name", "token_embeddings")
    require_known("method_output_name", output, (expected,), file)
    require_known("transformer_task", settings.get("transformer_task", task), (task,), file)
    require_known("module_output_name", name, ("token_embeddings",), file)
    for keyword in sorted(set(tokenizer)):
        require_known("processor_kwargs", keyword, _READ_KEYWORDS, file)
    for keyword in sorted(set(model)):
        require_known("model_kwargs", keyword, _HARMLESS_KEYWORDS, file)
    # transformers drops this keyword where config.json lacks it: an author's word is obeyed here.
    for keyword in sorted(set(config)):
        require_known("config_args", keyword, ("is_causal",), file)
    for unread in set(_UNREAD_SETTINGS) - set(obeyed):
        require_known(unread, settings.get(unread) or None, (None,), file)
    limit = positive_number(tokenizer, "model_max_length", file)
    limit = limit or positive_number(settings, "max_seq_length", file)
    return {**settings, "max_seq_length": limit, "is_causal": config.get("is_causal")}


def read_projection(folder: Path, dims: int, *, over: str = "sentence_embedding") -> Projection:
    """A Dense module.

    Args:
        folder: of the module.
        dims: length of the vectors that come.
        over: the name of those vectors.

    Raises:
        UnknownModulesError: another input or output, or an activation that is not known.
        CheckpointError: a file is missing or damaged, or vectors of another length.
    """
    file = folder / "config.json"
    config = read_object(file, kinds.DENSE)
    kind = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    activation = kind.rpartition(".")[2] if kind.startswith("torch.nn.") else kind
    _require_ours("activation_function", activation, ACTIVATIONS, file)
    for key in ("module_input_name", "module_output_name"):
        came = config.get(key) or over
        _require_ours(key, came, (over,), file)
    _require_ours("use_residual", config.get("use_residual", False), (False,), file)
    require_known("in_features", whole_number(config, ("in_features",), file), (dims,), file)
    (weights_file,) = find_weights(folder)
    return Projection(
        weights_file=weights_file,
        in_features=dims,
        out_features=whole_number(config, ("out_features",), file),
        bias=bool(config.get("bias", True)),
        activation=activation,
    )


def require_known(what: str, came: object, known: Collection[object], file: Path) -> None:
    """Refuse a setting that is not one of those we know, by name.

    Raises:
        CheckpointError: it is not.
    """
    if came not in known:
        raise CheckpointError(_unknown(what, came, known, file))


def _require_ours(what: str, came: object, known: Collection[object], file: Path) -> None:
    if came not in known:
        raise UnknownModulesError(_unknown(what, came, known, file))


def _unknown(what: str, came: object, known: Collection[object], file: Path) -> str:
    return (
        f"expected as {what} one of {', '.join(map(str, known))}, got {came!r} in {file}: choose "
        "a checkpoint that does without it"
    )
