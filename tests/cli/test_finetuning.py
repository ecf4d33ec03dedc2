"""`trivet finetune`: a model out of a file of pairs, and what is printed of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from checkpoints import WORDS

import trivet


@pytest.fixture
def pairs_file(tmp_path):
    random = np.random.default_rng(0)
    rows = []
    for number in range(60):
        words = random.choice(WORDS, size=8)
        rows.append({"query": f"{number} " + " ".join(words[:3]), "positive": " ".join(words)})
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    return file


def test_a_model_is_trained_from_the_shell(trivet_run, tiny_model, pairs_file, tmp_path):
    given = ("--model", tiny_model, "--pairs", pairs_file, "--batch-size", 8, "--max-tokens", 16)
    rest = ("--steps", 2, "--distill", 0.5, "--out", tmp_path / "new")
    told = trivet_run("finetune", *given, *rest, "--json")
    assert told.code == 0
    report = json.loads(told.out)
    assert (report["folder"], len(report["losses"])) == (str(tmp_path / "new"), 2)
    settings = report["settings"]
    assert (settings["query_weight"], settings["document_weight"]) == (0.5, 0.5)
    assert trivet.Embedder.load(tmp_path / "new").modes == ("dense", "multi")
    full = trivet_run("finetune", *given, *rest)
    assert full.code == 1
    assert full.err.startswith("error: expected a folder that is not there yet")


def test_a_wrong_line_ends_it_before_a_model_is_loaded(trivet_run, pairs_file, tmp_path):
    pairs_file.write_text(pairs_file.read_text() + "\n{}")
    told = trivet_run(
        "finetune", "--model", "no/such", "--pairs", pairs_file, "--out", tmp_path / "new"
    )
    assert told.code == 1
    assert "pairs.jsonl:61: expected the keys" in told.err


def test_ctrl_c_says_that_nothing_was_written(
    trivet_run, tiny_model, pairs_file, tmp_path, monkeypatch
):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("trivet.cli.finetuning.fine_tune", stop)
    out = tmp_path / "new"
    told = trivet_run("finetune", "--model", tiny_model, "--pairs", pairs_file, "--out", out)
    assert (told.code, told.err) == (130, "stopped; nothing was written\n")
