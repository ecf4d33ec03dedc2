"""The facade of the room: how an embedder is made."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence

from trivet.embedding.interface import EmbedderInterface
from trivet.embedding.options import LoadOptions, ProfileSource
from trivet.errors import MissingHeadError
from trivet.types import Mode, Space, checked_modes


class Embedder(EmbedderInterface):
    """What turns texts into representations; made by `load`, which reads a checkpoint."""

    @staticmethod
    def load(
        model: str | os.PathLike[str],
        *,
        modes: Sequence[str] | None = None,
        precision: str = "float32",
        layers: int | None = None,
        dims: int | None = None,
        task: str | None = None,
        prompts: Mapping[str, str] | None = None,
        profile: ProfileSource | None = None,
        trust_remote_code: bool = False,
    ) -> Embedder:
        """Find a model and read what it is; its weights are not loaded yet.

        Args:
            model: a folder with a checkpoint, or a model's name on the hub.
            modes: the legs to make; None = all that the checkpoint holds.
            precision: of the computation: "float32" is the reference; "bfloat16" is faster where
                the hardware has it; "auto" is that where it has. The space is the same.
            layers: of the backbone, the first ones; None = all.
            dims: of dense and token vectors, the first ones; None = all. Use a model that was
                trained for it (Matryoshka). Each (layers, dims) is a space of its own.
            task: what the documents are to be found for, such as "tool"; None = search. It
                chooses the wording around documents, which is part of their space.
            prompts: wordings of "query" and "document" that go before the profile's and the
                checkpoint's own: {"query": "query: {text}"}.
            profile: what the checkpoint does not state: a JSON file (as those in
                trivet/embedding/profiles), or the name of a family that has one. None = the one
                that names this model, if there is one; a folder has none.
            trust_remote_code: whether code that a checkpoint brings along may run.

        Raises:
            ModelNotFoundError: no such folder, package or hub repository can be reached.
            CheckpointError: a file of the checkpoint is missing, damaged or of an unknown kind.
            MissingHeadError: the checkpoint holds no head for a mode.
            UnknownModeError: a mode that does not exist.
            UnknownTaskError: the model has no wording for the task.
            InstructionError: a wording without its "{text}".
            InvalidInputError: another precision, a model that is no name, no such profile, or
                more layers or dims than there are.
        """
        # The door to the readers, which make embedders of the class that this is the base of.
        from trivet.embedding.checkpoint import load_checkpoint

        options = LoadOptions(
            modes=None if modes is None else checked_modes(modes),
            precision=precision,
            layers=layers,
            dims=dims,
            task=task,
            prompts=prompts,
            profile=profile,
            trust_remote_code=trust_remote_code,
        )
        return load_checkpoint(model, options)

    def only(self, modes: Sequence[str]) -> Embedder:
        """The same model, which makes fewer legs; both share their weights.

        Args:
            modes: the legs to make, out of `modes`.

        Raises:
            UnknownModeError: a mode that does not exist.
            MissingHeadError: a mode that this embedder does not make.
        """
        wanted = checked_modes(modes)
        missing = [mode for mode in wanted if mode not in self.spaces]
        if missing:
            raise MissingHeadError(
                f"expected an embedder that makes {missing[0]} vectors, got {self.name!r}, which "
                f"makes {', '.join(self.modes)}: load it with more modes, or ask for these"
            )
        return self._with_spaces({mode: self.spaces[mode] for mode in wanted})

    @abstractmethod
    def _with_spaces(self, spaces: Mapping[Mode, Space]) -> Embedder:
        """The same model, which makes only the legs of these spaces."""
