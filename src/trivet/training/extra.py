"""The door to the packages of the extra `train`."""

from __future__ import annotations

import importlib.util

from trivet.errors import MissingExtraError

_PACKAGES = ("sentence_transformers", "accelerate", "datasets")


def require_extra() -> None:
    """Refuse to go on without what training needs.

    Raises:
        MissingExtraError: a package is not installed.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"expected the package {missing[0]!r} for training, got none installed: "
            'pip install "trivet[train]"'
        )
