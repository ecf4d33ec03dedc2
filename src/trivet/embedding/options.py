"""How a checkpoint is to be loaded: what is kept with an index, so that it loads alike again."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from trivet.embedding.profile import Profile, find_profile
from trivet.errors import InvalidInputError
from trivet.types import Mode, checked_modes

PRECISIONS = ("float32", "bfloat16", "auto")

ProfileSource: TypeAlias = "str | os.PathLike[str] | Mapping[str, Any] | Profile"


@dataclass(frozen=True)
class LoadOptions:
    """The options of `Embedder.load`, which describes them.

    Raises:
        UnknownModeError: a mode that does not exist.
        InvalidInputError: another precision, or devices that are no list of names.
    """

    modes: tuple[Mode, ...] | None = None
    precision: str = "float32"
    layers: int | None = None
    dims: int | None = None
    token_pooling: int | None = None
    task: str | None = None
    prompts: Mapping[str, str] | None = None
    profile: ProfileSource | None = None
    trust_remote_code: bool = False
    devices: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.modes is not None:
            object.__setattr__(self, "modes", checked_modes(self.modes))
        if self.precision not in PRECISIONS:
            raise InvalidInputError(
                f"expected a precision out of {', '.join(PRECISIONS)}, got {self.precision!r}: "
                "leave it out"
            )

        if self.devices is not None:
            object.__setattr__(self, "devices", checked_devices(self.devices))

    def recipe(self, model: str) -> dict[str, Any]:
        """What an index keeps of the options (JSON), for `from_recipe`.

        The modes are the index's own. The precision, the devices and the trust in foreign code are
        chosen anew at every opening.

        Args:
            model: the source that the checkpoint was located at.
        """
        chosen = None if self.profile is None else find_profile(self.profile, model)
        kept = {
            "layers": self.layers,
            "dims": self.dims,
            "token_pooling": self.token_pooling,
            "task": self.task,
            "prompts": None if self.prompts is None else dict(self.prompts),
            "profile": None if chosen is None else chosen.to_json(),
        }
        return {name: value for name, value in kept.items() if value is not None}

    @classmethod
    def from_recipe(cls, recipe: Mapping[str, Any]) -> LoadOptions:
        """The options that an index was made with.

        Raises:
            TypeError: the recipe holds what no option is.
        """
        return cls(**recipe)


def checked_devices(devices: Sequence[str]) -> tuple[str, ...]:
    """The names of devices.

    Raises:
        InvalidInputError: no list of names.
    """
    named = isinstance(devices, Sequence) and not isinstance(devices, str) and len(devices) > 0
    if not named or not all(isinstance(name, str) and name for name in devices):
        raise InvalidInputError(
            f'expected a list of devices such as ["cuda:0", "cuda:1"], got {devices!r}: leave it '
            "out for the best one"
        )
    return tuple(devices)
