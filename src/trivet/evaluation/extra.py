"""The door to the packages of the extra `eval`."""

from __future__ import annotations

import importlib
from types import ModuleType

from trivet.errors import MissingExtraError


def of_extra(module: str) -> ModuleType:
    """A module out of the extra `eval`.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != package:
            raise
        raise MissingExtraError(
            f"expected the package {package!r} for evaluation, got none installed: "
            'pip install "trivet[eval]"'
        ) from error
