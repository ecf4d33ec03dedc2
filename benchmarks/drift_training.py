"""MiniLM fine-tuned for the drift benchmark: contrastive, with and without distillation."""

from __future__ import annotations

import copy
import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer

from benchmarks import beir
from benchmarks.drift_vectors import CACHE, corpus, embedded, minilm, of_embedder
from trivet.embedding import Embedder
from trivet.embedding.locate import DEFAULT_MODEL, locate

STEPS = 60
BATCH = 32
RATE = 1e-4
MAX_TOKENS = 96
LOGIT_SCALE = 20.0


def fine_tuned(name: str, *, distilled: bool) -> Path:
    """A folder with the checkpoint, trained once; `distilled` adds the two terms of QDC."""
    folder = CACHE / name
    if folder.is_dir():
        return folder
    torch.manual_seed(0)
    origin = locate(DEFAULT_MODEL).folder
    tokenizer = AutoTokenizer.from_pretrained(origin)
    model = AutoModel.from_pretrained(origin)
    teacher = copy.deepcopy(model).eval()
    packed = (beir.DATA / "medquad-pairs" / "train.jsonl.gz").read_bytes()
    rows = [json.loads(line) for line in gzip.decompress(packed).splitlines()]
    order = np.random.default_rng(0).permutation(len(rows))[: STEPS * BATCH]
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)

    def vectors(of: torch.nn.Module, texts: list[str]) -> torch.Tensor:
        batch = tokenizer(
            texts, truncation=True, max_length=MAX_TOKENS, padding=True, return_tensors="pt"
        )
        states = of(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None]
        return functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1)

    model.train()
    for step in range(STEPS):
        chosen = [rows[i] for i in order[step * BATCH : (step + 1) * BATCH]]
        sides = [[row[part] for row in chosen] for part in ("query", "positive")]
        made = [vectors(model, texts) for texts in sides]
        loss = functional.cross_entropy(LOGIT_SCALE * made[0] @ made[1].T, torch.arange(BATCH))
        if distilled:
            for rows_made, texts in zip(made, sides, strict=True):
                with torch.no_grad():
                    right = vectors(teacher, texts)
                loss = loss + (1 - (rows_made * right).sum(-1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scratch = CACHE / f"{name}.new"
    shutil.copytree(origin, scratch, ignore=shutil.ignore_patterns("*.safetensors", "*.bin"))
    model.save_pretrained(scratch)
    scratch.rename(folder)
    return folder


if __name__ == "__main__":
    CACHE.mkdir(exist_ok=True)
    for collection in ("cranfield", "medquad-dev"):
        part = corpus(collection)
        embedded(part, "minilm-6", minilm())
        for label, with_teacher in (("tuned", False), ("distilled", True)):
            place = fine_tuned(label, distilled=with_teacher)
            embedder = Embedder.load(place, modes=["dense"])
            embedded(part, label, of_embedder(embedder))
            print(collection, label, flush=True)
