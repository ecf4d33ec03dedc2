"""O1 Embedder: one language model that writes thoughts and embeds queries together with them."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from trivet.embedding.generating import Sampling, generate, load_causal
from trivet.embedding.locate import locate
from trivet.embedding.texts import require_texts
from trivet.errors import CheckpointError, InvalidInputError
from trivet.types import Vectors

QUERY, QUERY_END, THOUGHT, EMBED = TOKENS = ("<query>", "</query>", "<thought>", "<emb>")
# As in the published procedure: prompts are cut at 256 tokens, thoughts end after 128.
PROMPT_TOKENS = 256
THOUGHT_TOKENS = 128
BATCH = 16


class O1Checkpoint:
    """A causal language model with the four tokens of O1 Embedder.

    A text's vector is the state of the token `<emb>` behind it, scaled to length 1. Documents are
    their text alone, so that an index is the same whether its queries are thought about or not:

        o1 = O1Checkpoint(folder)
        Embedder.wrap(name=…, dims=o1.dims, documents=o1.embed_documents, queries=o1.embed_queries)
        Embedder.wrap(name=…, dims=o1.dims, documents=o1.embed_documents, queries=o1.embed_thinking)

    Args:
        model: a folder, or a name on the hub.
        samples: thoughts of each query; more than one need a temperature.
        sampling: how they are written; None = the likeliest tokens, at most 128.
        max_tokens: of a document; what is longer is cut.
        device: of torch.

    Raises:
        ModelNotFoundError, CheckpointError: no such model, no language model, or not these tokens.
        InvalidInputError: no sample, or several that would all be the same.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        samples: int = 1,
        sampling: Sampling | None = None,
        max_tokens: int = 512,
        device: str = "cpu",
    ) -> None:
        self._sampling = Sampling(THOUGHT_TOKENS) if sampling is None else sampling
        if samples < 1 or (samples > 1 and not self._sampling.temperature):
            raise InvalidInputError(
                f"expected one sample, or several with a temperature, got {samples} with "
                f"{self._sampling.temperature}"
            )
        folder = locate(model).folder
        self._tokenizer, self._model = load_causal(folder, device)
        self._samples, self._max_tokens = samples, max_tokens
        self._running = threading.Lock()
        missing = [token for token in TOKENS if token not in self._tokenizer.get_vocab()]
        if missing or self._tokenizer.eos_token_id is None:
            raise CheckpointError(
                f"expected the tokens {' '.join(TOKENS)} and an end token in {folder}, got a "
                f"tokenizer without {', '.join(missing) or 'an end token'}: it is no O1 Embedder"
            )

    @property
    def dims(self) -> int:
        """Length of a vector."""
        return int(self._model.config.hidden_size)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Texts that are to be found: (n, d), of unit length."""
        require_texts(texts)
        rows = [self._ids(text)[: self._max_tokens - 1] for text in texts]
        return self._vectors(rows)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Queries without a thought, as the model was trained to take them, too: (n, d)."""
        require_texts(texts)
        return self._vectors([self._prompt(text) for text in texts])

    def embed_thinking(self, texts: Sequence[str]) -> Vectors:
        """Queries with their thoughts: the mean of one unit vector for each sample, (n, d)."""
        require_texts(texts)
        return np.stack([self._vectors(self._thought(text)).mean(axis=0) for text in texts])

    def thoughts(self, text: str) -> list[str]:
        """What `embed_thinking` thinks about a query, one text for each sample."""
        require_texts([text])
        start = len(self._prompt(text))
        rows = [ids[start:] for ids in self._thought(text)]
        return [self._tokenizer.decode(ids, skip_special_tokens=True) for ids in rows]

    def _thought(self, text: str) -> list[list[int]]:
        """The prompt and what the model wrote behind it, of each sample; an end token closes it."""
        prompt, end = self._prompt(text), self._tokenizer.eos_token_id
        every = []
        with self._running:
            for sample in range(self._samples):
                sampling = replace(self._sampling, seed=self._sampling.seed + sample)
                ids = [*prompt, *generate(self._model, prompt, sampling, end)]
                every.append(ids if ids[-1] == end else [*ids, end])
        return every

    def _prompt(self, text: str) -> list[int]:
        known = self._tokenizer.convert_tokens_to_ids
        begin = [self._tokenizer.bos_token_id] if self._begins() else []
        inner = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        room = PROMPT_TOKENS - len(begin) - 3
        return [*begin, known(QUERY), *inner[:room], known(QUERY_END), known(THOUGHT)]

    def _ids(self, text: str) -> list[int]:
        begin = [self._tokenizer.bos_token_id] if self._begins() else []
        return [*begin, *self._tokenizer(text, add_special_tokens=False)["input_ids"]]

    def _begins(self) -> bool:
        """Whether the tokenizer puts its first token before every text."""
        ids = self._tokenizer("a")["input_ids"]
        begin = self._tokenizer.bos_token_id
        return begin is not None and bool(ids) and ids[0] == begin

    def _vectors(self, rows: Sequence[list[int]]) -> Vectors:
        """The states of `<emb>` behind each row, scaled to length 1."""
        embed = self._tokenizer.convert_tokens_to_ids(EMBED)
        parts = []
        with self._running, torch.inference_mode():
            for start in range(0, len(rows), BATCH):
                batch = [[*ids, embed] for ids in rows[start : start + BATCH]]
                longest = max(map(len, batch))
                # Padding stands on the right, where a causal model never looks from the left.
                ids = torch.tensor([row + [embed] * (longest - len(row)) for row in batch])
                seen = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in batch])
                device = self._model.device
                states = self._model.base_model(ids.to(device), attention_mask=seen.to(device))
                last = torch.tensor([len(row) - 1 for row in batch])
                chosen = states.last_hidden_state[torch.arange(len(batch)), last]
                parts.append(torch.nn.functional.normalize(chosen.float(), dim=1).cpu().numpy())
        return np.concatenate(parts).astype(np.float32)
