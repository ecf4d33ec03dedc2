"""Modules that this library does not know, run by sentence-transformers itself."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer, __version__
from sentence_transformers.base.modules import Router, Transformer
from sentence_transformers.util import batch_to_device
from torch import Tensor, nn

from trivet.embedding import heads
from trivet.embedding.batching import TOKEN_BUDGET, plan_batches
from trivet.embedding.job import Job, Made
from trivet.embedding.kernels.hardware import choose_dtype
from trivet.embedding.kernels.torch import quietly
from trivet.embedding.layers import tensor_names
from trivet.embedding.passes import in_batches
from trivet.embedding.prompts import Rendered, Role
from trivet.embedding.spec import EncoderSpec
from trivet.embedding.tokenizing import TokenisedText
from trivet.errors import CheckpointError
from trivet.types import Vectors

ROLES: tuple[Role, ...] = ("query", "document")

_WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")
_SHORT, _LONG = "anchor", "the ship and the sea " * 3
_PARITY = 1e-5
_TOLD_APART = 1e-3


@dataclass(frozen=True, eq=False)
class ChainRunner:
    """A chain of modules with its weights loaded; several threads may use it, in turns.

    Attributes:
        spec: the checkpoint.
        model: the chain.
        pads: whether a text's vector is the same beside a longer text.
        lock: held while the chain runs: its tokenizers are not for several threads.
    """

    spec: EncoderSpec
    model: SentenceTransformer
    pads: bool
    lock: threading.Lock

    @property
    def gains_by_company(self) -> bool:
        """No: its modules batch as they please."""
        return False

    def represent(self, texts: Sequence[TokenisedText], job: Job) -> Made:
        """Embed n ≥ 1 texts.

        Args:
            texts: with their sources, which the modules cut into tokens themselves.
            job: what is wanted; there is a dense leg alone.

        Raises:
            EmbeddingError: the model failed on a batch.
        """
        forward = partial(self._forward, role=job.role)
        return in_batches(texts, self._plan(texts), forward, self.spec.folder)

    def _plan(self, texts: Sequence[TokenisedText]) -> list[list[int]]:
        """Batches of one prompt each, which the modules are told of."""
        budget = TOKEN_BUDGET if self.pads else 1
        groups: dict[str, list[int]] = {}
        for position, text in enumerate(texts):
            groups.setdefault(_source(text).before, []).append(position)
        return [
            [group[place] for place in batch]
            for group in groups.values()
            for batch in plan_batches([len(texts[i].ids) for i in group], budget=budget)
        ]

    def _forward(self, texts: Sequence[TokenisedText], *, role: Role) -> Made:
        sources = [_source(text) for text in texts]
        rows = embed(self.model, [s.text for s in sources], sources[0].before, role, self.lock)
        vectors = torch.from_numpy(rows)
        if self.spec.cut_first:
            vectors = vectors[:, : self.spec.dims]
            vectors = heads.normalise(vectors) if self.spec.normalise else vectors
        cut: Vectors = vectors[:, : self.spec.dims].numpy()
        return Made(dense=cut)


def load_chain(spec: EncoderSpec, precision: str, device: torch.device) -> ChainRunner:
    """Load a chain and try it out.

    Args:
        spec: a checkpoint with modules that sentence-transformers runs.
        precision: of its transformers; all else computes in float32.
        device: that computes.

    Raises:
        CheckpointError: it cannot be loaded, lacks weights, or its roles give vectors of two
            lengths.
    """
    model = _load(spec, device)
    alone = _tried(model, spec, [_SHORT])
    if _lacks_weights(model, spec):
        _require_equal(alone, _tried(_load(spec, device, seed=1), spec, [_SHORT]), spec)
    together = _tried(model, spec, [_SHORT, _LONG])
    lengths = {role: rows.shape[1] for role, rows in alone.items()}
    if len(set(lengths.values())) != 1:
        raise CheckpointError(
            f"expected vectors of one length from {spec.folder}, got {lengths['query']} numbers "
            f"for a query and {lengths['document']} for a document: choose another model"
        )
    dtype = choose_dtype(precision, device)
    if dtype != torch.float32:
        _compute_in(dtype, model)
    pads = all(_ignores_mates(alone[role], together[role]) for role in ROLES)
    dims = min(lengths["document"], spec.dims or lengths["document"])
    return ChainRunner(replace(spec, dims=dims), model, pads, threading.Lock())


def embed(
    model: SentenceTransformer,
    texts: Sequence[str],
    prompt: str,
    role: Role,
    lock: threading.Lock,
) -> Vectors:
    """Run a chain on a batch of texts: (n, d) float32."""
    with lock, torch.inference_mode():
        features = model.preprocess(list(texts), prompt=prompt or None, task=role)
        features = batch_to_device(features, model.device)
        vectors: Tensor = model(features, task=role)["sentence_embedding"]
        rows: Vectors = vectors.float().cpu().numpy()
    return rows


def input_module(model: SentenceTransformer, role: Role) -> nn.Module:
    """The module that reads the texts of a role."""
    module: nn.Module = model[0]
    while isinstance(module, Router):
        # Not public: a router says in no other way which of its modules it would use.
        route: Any = module.sub_modules[str(module._resolve_route(role, "text"))]
        module = route[0]
    return module


def _source(text: TokenisedText) -> Rendered:
    assert text.source is not None  # `prepare` keeps it for a chain
    return text.source


def _load(spec: EncoderSpec, device: torch.device, seed: int = 0) -> SentenceTransformer:
    """Load a chain; what has no weights in the checkpoint is drawn by the seed."""
    assert spec.chain is not None  # says `load_chain`
    try:
        with quietly(), torch.random.fork_rng():
            torch.manual_seed(seed)
            return SentenceTransformer(
                str(spec.folder),
                device=str(device),
                trust_remote_code=spec.chain.trusted,
                local_files_only=True,
                model_kwargs={"dtype": torch.float32},
            ).eval()
    except Exception as error:  # the library and its many parts raise what they raise
        raise CheckpointError(
            f"expected a checkpoint that sentence-transformers {__version__} loads, got "
            f"{type(error).__name__} for {spec.folder} ({error}): fetch the checkpoint anew, or "
            "choose another model"
        ) from error


def _tried(
    model: SentenceTransformer, spec: EncoderSpec, texts: Sequence[str]
) -> Mapping[Role, Vectors]:
    """The vectors of a few texts in each role."""
    try:
        return {role: embed(model, texts, "", role, threading.Lock()) for role in ROLES}
    except Exception as error:  # whatever the modules' code raises
        raise CheckpointError(
            f"expected modules that turn a text into one vector in {spec.folder}, got "
            f"{type(error).__name__} ({error}): choose another model"
        ) from error


def _lacks_weights(model: SentenceTransformer, spec: EncoderSpec) -> bool:
    """Whether some weight goes by no name that is left in the checkpoint's files.

    The names may differ by what stands before them, and by more than that where transformers
    renames: so this is a suspicion, not a proof.
    """
    files = (f for f in spec.weights_files if any(f.match(pattern) for pattern in _WEIGHTS))
    left = Counter(name for file in files for name in tensor_names(file))
    shortened = {name.partition(".")[2]: name for name in left}
    for weight in model.state_dict():
        parts = weight.split(".")
        ends = [".".join(parts[start:]) for start in range(len(parts))]
        names = (name for end in ends for name in (end, shortened.get(end, "")))
        found = next((name for name in names if left[name] > 0), None)
        if found is None:
            return True
        left[found] -= 1
    return False


def _require_equal(
    first: Mapping[Role, Vectors], second: Mapping[Role, Vectors], spec: EncoderSpec
) -> None:
    for role in ROLES:
        if not np.allclose(first[role], second[role], atol=_PARITY, equal_nan=True):
            raise CheckpointError(
                f"expected weights for every module in {spec.folder}, got none for some, which "
                "sentence-transformers fills with random numbers: fetch the checkpoint anew"
            )


def _ignores_mates(alone: Vectors, together: Vectors) -> bool:
    """Whether a short text's vector is seen to be the same beside a long one."""
    short, long = together
    told_apart = float(np.abs(short - long).max()) > _TOLD_APART
    return told_apart and bool(np.allclose(alone[0], short, atol=_PARITY))


def _compute_in(dtype: torch.dtype, model: SentenceTransformer) -> None:
    """Let the transformers of a model of our own compute with other numbers."""

    def widened(_: nn.Module, __: object, features: dict[str, Any]) -> dict[str, Any]:
        return {
            name: value.float() if torch.is_tensor(value) and value.is_floating_point() else value
            for name, value in features.items()
        }

    for module in model.modules():
        if isinstance(module, Transformer):
            module.to(dtype)
            module.register_forward_hook(widened)
