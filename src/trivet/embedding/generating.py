"""A causal language model in a folder that writes: prompt in, text out."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from trivet.embedding.locate import locate
from trivet.errors import CheckpointError, InvalidInputError
from trivet.generation import Completion


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen; changes what is written, and so is part of a name.

    Attributes:
        max_new_tokens: the most that are written.
        temperature: 0 = always the likeliest.
        top_p: the share of the likeliest tokens that are drawn from, with a temperature.
        seed: of the draws, for each prompt anew.

    Raises:
        InvalidInputError: a value that cannot mean anything.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        fine = self.max_new_tokens >= 1 and self.temperature >= 0 and 0 < self.top_p <= 1
        if not fine:
            raise InvalidInputError(
                f"expected max_new_tokens from 1, temperature from 0 and top_p up to 1, got {self}"
            )

    @property
    def options(self) -> dict[str, Any]:
        """For `generate` of transformers, whatever the checkpoint's own configuration says."""
        drawn = {"temperature": self.temperature, "top_p": self.top_p, "top_k": 0}
        return {
            "max_new_tokens": self.max_new_tokens,
            "do_sample": self.temperature > 0,
            "num_beams": 1,
            **(drawn if self.temperature > 0 else
               {"temperature": None, "top_p": None, "top_k": None}),
        }  # fmt: skip


class TextGenerator:
    """A language model as a function of a prompt; one at a time, so that none changes another.

    Made a thinker by `WritingThinker(generator, name=generator.name)`.

    Attributes:
        name: of the model, with a checksum of its files' names and sizes, and its sampling.

    Args:
        model: a folder, or a name on the hub.
        sampling: how the next token is chosen; None = the likeliest, at most 256.
        device: of torch.

    Raises:
        ModelNotFoundError: no such model.
        CheckpointError: it is no causal language model.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        sampling: Sampling | None = None,
        device: str = "cpu",
    ) -> None:
        found = locate(model)
        self.sampling = Sampling() if sampling is None else sampling
        self.tokenizer, self.model = load_causal(found.folder, device)
        self.name = f"{found.source}@{_checksum(found.folder)}|{self.sampling}"
        self._generating = threading.Lock()

    def __call__(self, prompt: str) -> Completion:
        """Write what follows a prompt, in the model's own form of a conversation if it has one."""
        ids = self._encoded(prompt)
        with self._generating:
            written = generate(self.model, ids, self.sampling, self.tokenizer.pad_token_id)
        text = self.tokenizer.decode(written, skip_special_tokens=True)
        return Completion(text, len(ids), len(written))

    def _encoded(self, prompt: str) -> list[int]:
        if not self.tokenizer.chat_template:
            return list(self.tokenizer(prompt)["input_ids"])
        turns = [{"role": "user", "content": prompt}]
        text = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])


def load_causal(folder: Path, device: str) -> tuple[Any, Any]:
    """Tokenizer and model of a causal language model, without its dropout.

    Raises:
        CheckpointError: it cannot be loaded as one.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model: Any = AutoModelForCausalLM.from_pretrained(folder)
        model = model.to(device).eval()
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"expected a causal language model in {folder}, got: {str(error)[:300]}"
        ) from error
    return tokenizer, model


def generate(
    model: Any,  # noqa: ANN401  (transformers types none of its models)
    ids: list[int],
    sampling: Sampling,
    pad_id: int | None,
) -> list[int]:
    """The tokens that a model writes after a prompt, the end token included if it came."""
    device = model.device
    prompt = torch.tensor([ids], device=device)
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(sampling.seed)
        made = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), pad_token_id=pad_id, **sampling.options
        )
    written: list[int] = made[0, len(ids) :].tolist()
    return written


def _checksum(folder: Path) -> str:
    files = sorted((f.name, f.stat().st_size) for f in folder.iterdir() if f.is_file())
    config = folder / "config.json"
    content = config.read_bytes() if config.is_file() else b""
    return hashlib.sha256(repr(files).encode() + content).hexdigest()[:12]
