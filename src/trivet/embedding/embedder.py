"""The facade of the room: how an embedder is made."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from trivet.embedding.interface import EmbedderInterface
from trivet.embedding.options import LoadOptions, ProfileSource, checked_devices
from trivet.embedding.policy import CallPolicy
from trivet.embedding.replies import EmbedCall
from trivet.errors import MissingHeadError
from trivet.types import Mode, Space, checked_modes

Part: TypeAlias = "str | os.PathLike[str] | Embedder"


class Embedder(EmbedderInterface):
    """What turns texts into representations.

    `load` reads a checkpoint, `wrap` takes a foreign model by its calls, `compose` joins several.
    """

    @staticmethod
    def load(
        model: str | os.PathLike[str],
        *,
        modes: Sequence[str] | None = None,
        precision: str = "float32",
        layers: int | None = None,
        dims: int | None = None,
        token_pooling: int | None = None,
        task: str | None = None,
        prompts: Mapping[str, str] | None = None,
        profile: ProfileSource | None = None,
        trust_remote_code: bool = False,
        devices: Sequence[str] | None = None,
    ) -> Embedder:
        """Find a model and read what it is; its weights are not loaded yet.

        Args:
            model: a folder with a checkpoint, or a model's name on the hub.
            modes: the legs to make; None = all that the checkpoint holds.
            precision: of the computation: "float32" is the reference; "bfloat16" is faster where
                the hardware is made for it; "auto" is that where it measures faster. The space is
                the same.
            layers: of the backbone, the first ones; None = all.
            dims: of dense and token vectors, the first ones; None = all. Use a model that was
                trained for it (Matryoshka). Each (layers, dims) is a space of its own.
            token_pooling: token vectors of a document that become one, on average: those of like
                tokens, whose mean stays; 1 = none do. A space of its own; queries keep all theirs.
                None = as the checkpoint says, which for most is none.
            task: what the documents are to be found for, such as "tool"; None = search. It
                chooses the wording around documents, which is part of their space.
            prompts: wordings of "query" and "document" that go before the profile's and the
                checkpoint's own: {"query": "query: {text}"}.
            profile: what the checkpoint does not state: a JSON file (as those in
                trivet/embedding/profiles), or the name of a family that has one. None = the one
                that names this model, if there is one; a folder has none.
            trust_remote_code: whether code that a checkpoint brings along may run.
            devices: where to compute, as torch names it: ["cuda:0"]. Of several, each gets a
                process of its own with the first call of many texts; a script then needs its own
                code under `if __name__ == "__main__":`. None = the best one.

        Raises:
            ModelNotFoundError: no such folder, package or hub repository can be reached.
            CheckpointError: a file of the checkpoint is missing, damaged or of an unknown kind.
            MissingHeadError: the checkpoint holds no head for a mode.
            UnknownModeError: a mode that does not exist.
            UnknownTaskError: the model has no wording for the task.
            InstructionError: a wording without its "{text}".
            InvalidInputError: another precision, a model that is no name, no such profile,
                more layers or dims than there are, token_pooling without token vectors, or
                devices that are not there.
            MissingExtraError: a package that this model needs is not installed.
        """
        # The door to the readers, which make embedders of the class that this is the base of.
        from trivet.embedding.checkpoint import load_checkpoint

        options = LoadOptions(
            modes=None if modes is None else checked_modes(modes),
            precision=precision,
            layers=layers,
            dims=dims,
            token_pooling=token_pooling,
            task=task,
            prompts=prompts,
            profile=profile,
            trust_remote_code=trust_remote_code,
            devices=None if devices is None else checked_devices(devices),
        )
        return load_checkpoint(model, options)

    @staticmethod
    def wrap(
        *,
        name: str,
        dims: int,
        documents: EmbedCall,
        queries: EmbedCall | None = None,
        revision: str = "",
        max_tokens: int = 512,
        count_tokens: Callable[[str], int] | None = None,
        prompts: Mapping[str, str] | None = None,
        policy: CallPolicy | None = None,
    ) -> Embedder:
        """Make an embedder, of a dense leg, of a model that somebody else runs.

        A service is wrapped by a function that sends it a list of texts; a LangChain `Embeddings`
        by its own methods:

            Embedder.wrap(
                name="vendor/model",
                dims=1536,
                documents=model.embed_documents,
                queries=lambda texts: [model.embed_query(text) for text in texts],
            )

        and a LlamaIndex `BaseEmbedding` by `get_text_embedding_batch` and `get_query_embedding`.
        Its vectors are scaled to length 1. Nobody can see a foreign model's weights: its space is
        its name, revision, dims and document wording, and an index keeps canary vectors of it.

        Args:
            name: of the service and its model: one name, one model.
            dims: of its vectors.
            documents: a list of texts to be found → one vector for each, in order.
            queries: the same for texts that ask. None = `documents` makes both, the model being
                blind to their roles; its space says so.
            revision: of the model; each is a space of its own.
            max_tokens: the most tokens of a text that the model reads; give its own number, so
                that nothing is cut unseen.
            count_tokens: the tokens of a text as the model counts them, special ones included.
                None = a generous estimate, half its bytes in UTF-8, by which chunks of a document
                are less than half as long as they could be.
            prompts: wordings of "query" and "document", as in `load`.
            policy: batch size, rate limit and retries; None = `CallPolicy()`.

        Raises:
            InstructionError: a wording without its "{text}".
            InvalidInputError: an argument that cannot mean anything.
        """
        # A door as in `load`.
        from trivet.embedding.hosted import wrap_calls

        return wrap_calls(
            name=name,
            dims=dims,
            documents=documents,
            queries=queries,
            revision=revision,
            max_tokens=max_tokens,
            count_tokens=count_tokens,
            prompts=prompts,
            policy=CallPolicy() if policy is None else policy,
        )

    @staticmethod
    def compose(
        *, dense: Part | None = None, sparse: Part | None = None, multi: Part | None = None
    ) -> Embedder:
        """Join several models into one embedder, each for the leg that it is named for.

        Legs of one checkpoint are made in one forward pass over weights that are loaded once.
        A query's task, instruction and examples go to every part that has a place for them, a
        document's title too: the other parts read it before the text.

        Args:
            dense: makes the dense leg: an embedder, or a model's name or folder; None = no such
                leg.
            sparse: makes the sparse leg.
            multi: makes the multi-vector leg.

        Raises:
            UnknownModeError: no part at all.
            MissingHeadError: a part that does not make its leg.
            ModelNotFoundError, CheckpointError, InvalidInputError: as in `load`.
        """
        # A door as in `load`.
        from trivet.embedding.composed import compose_parts

        return compose_parts({"dense": dense, "sparse": sparse, "multi": multi})

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
