"""What the legs beside the dense one cost: one pass with three against one with dense alone."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from transformers import XLMRobertaConfig, XLMRobertaModel

import trivet
from benchmarks import beir, results
from benchmarks.embedding_speed import one_torch_thread
from benchmarks.figures import Bar, Figure
from benchmarks.intervals import bootstrap, median
from benchmarks.turns import cpu_seconds
from trivet.embedding.locate import DEFAULT_MODEL, locate

TITLE = "Three modes against dense alone, BGE-M3's layout"
METHOD = (
    "Random weights in the layout of BGE-M3, at two sizes; documents of Cranfield, the two take "
    "turns, the first place changing hands every round. CPU seconds of the process, one thread for "
    "torch, tokenising included. Medians over rounds, intervals by bootstrap over rounds."
)
# Layers, width and documents of each size.
SIZES = {"tiny": (4, 128, 200), "XLM-R-base": (12, 768, 16)}
BAR = Bar(high=1.10)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.modes", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args(arguments).rounds
    texts = beir.load("cranfield").texts
    figures = []
    with one_torch_thread(), tempfile.TemporaryDirectory() as folder:
        for name, (layers, width, count) in SIZES.items():
            place = build(Path(folder) / name, layers, width)
            figures.append(compare(name, place, texts[:count], rounds))
    results.report("modes", TITLE, METHOD, figures)


def build(folder: Path, layers: int, width: int) -> Path:
    """A checkpoint with random weights and the packaged tokenizer."""
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(locate(DEFAULT_MODEL).folder / name, folder)
    config = XLMRobertaConfig(
        vocab_size=30522,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32 if width < 768 else 12,
        intermediate_size=4 * width,
        max_position_embeddings=514,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    XLMRobertaModel(config).save_pretrained(folder)
    for name, rows in (("sparse_linear.pt", 1), ("colbert_linear.pt", width)):
        torch.save({"weight": torch.randn(rows, width), "bias": torch.zeros(rows)}, folder / name)
    settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    settings["model_max_length"] = 512
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
    return folder


def compare(name: str, folder: Path, texts: list[str], rounds: int) -> Figure:
    """CPU seconds of all legs over those of the dense one; both share their weights."""
    every = trivet.Embedder.load(folder)
    contenders = [every.only(["dense"]), every]
    for embedder in contenders:
        embedder.embed_documents(texts, truncate=True)
    seconds = cpu_seconds(
        [partial(each.embed_documents, texts, truncate=True) for each in contenders], rounds
    )
    ratios = seconds[1] / seconds[0]
    what = f"{name}: three modes, times dense alone"
    return Figure(what, float(np.median(ratios)), BAR, bootstrap(ratios, median), digits=3)


if __name__ == "__main__":
    main()
