"""A folder of modules that sentence-transformers runs itself becomes an `EncoderSpec`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trivet.embedding.readers import kinds
from trivet.embedding.readers.decoders import own_code
from trivet.embedding.readers.files import read_object, read_object_if_there, read_objects
from trivet.embedding.readers.modules import inside, module_kind
from trivet.embedding.readers.sentence_transformers import with_library_config
from trivet.embedding.spec import EncoderSpec, ModuleChain
from trivet.errors import CheckpointError

_LIBRARY = "sentence_transformers."
_CONFIG = "config_sentence_transformers.json"
# What people keep beside a checkpoint, and the same weights for other programs.
_HARMLESS = (".md", ".csv", ".png", ".jpg", ".svg", ".pdf", ".onnx", ".h5", ".msgpack", ".ot")
_SKIPPED = ("onnx", "openvino", "__pycache__")


def read_chain(folder: Path, *, trusted: bool) -> EncoderSpec:
    """Read what can be read of it without running it; 0 is the length of vectors not known yet.

    Args:
        folder: holds modules.json.
        trusted: whether code that is not sentence-transformers' own may run.

    Raises:
        CheckpointError: a file is missing or damaged, or the code of a module is not trusted.
    """
    file = folder / "modules.json"
    modules = [module_kind(entry) for entry in read_objects(file, kinds.MODULE)]
    name, at = next(_foreign_code(folder), ("", file))
    if name and not trusted:
        raise CheckpointError(
            f"expected modules of sentence-transformers itself, got {name!r} in {at}, which is "
            "code from elsewhere: choose another model, or pass trust_remote_code=True if you "
            "trust its authors with this machine"
        )
    cut = read_object_if_there(folder / _CONFIG, kinds.LIBRARY).get("truncate_dim")
    spec = EncoderSpec(
        folder=folder,
        weights_files=_deciding_files(folder),
        dims=cut or 0,
        max_tokens=0,
        pooling=("modules",),
        normalise=bool(modules) and modules[-1] == "Normalize",
        chain=ModuleChain(trusted),
    )
    return with_library_config(spec, folder / _CONFIG)


def _foreign_code(folder: Path) -> Iterator[tuple[str, Path]]:
    """Classes that are not sentence-transformers' own, and the files that name them."""
    for name, place, file in _modules(folder):
        if not name.startswith(_LIBRARY):
            yield name, file
        # Where it does not trust what a config names, it takes another instead, unasked.
        config = read_object_if_there(place / "config.json", kinds.FOREIGN)
        code = own_code(config)
        if module_kind({"type": name}) == "Dense":
            activation = str(config.get("activation_function"))
            code = None if activation.startswith(("torch.", "None")) else activation
        if code is not None:
            yield code, place / "config.json"


def _modules(folder: Path) -> Iterator[tuple[str, Path, Path]]:
    """Class and folder of every module, and where it is named, those behind routers included."""
    file = folder / "modules.json"
    for entry in read_objects(file, kinds.MODULE):
        yield str(entry.get("type", "")), inside(file, str(entry.get("path", ""))), file
    for routes in sorted(folder.rglob("router_config.json")):
        for place, name in (read_object(routes, kinds.ROUTER).get("types") or {}).items():
            yield str(name), inside(routes, place), routes


def _deciding_files(folder: Path) -> tuple[Path, ...]:
    """All files that the vectors may depend on, which is all but a few."""
    files = (file for file in folder.rglob("*") if file.is_file() and _may_decide(file, folder))
    return tuple(sorted(files, key=lambda file: file.relative_to(folder).as_posix()))


def _may_decide(file: Path, folder: Path) -> bool:
    place = file.relative_to(folder)
    hidden = any(part.startswith(".") or part in _SKIPPED for part in place.parts)
    # Its prompts and its cut are facts of their own.
    if hidden or file.suffix in _HARMLESS or place.as_posix() == _CONFIG:
        return False
    return file.name != "pytorch_model.bin" or not (file.parent / "model.safetensors").is_file()
