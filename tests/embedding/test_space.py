"""A space says all that changes document vectors, and nothing else."""

from __future__ import annotations

import shutil

import pytest

from trivet.embedding import Embedder


def test_a_copied_folder_has_the_same_space(tiny_model, tmp_path):
    copied = shutil.copytree(tiny_model, tmp_path / "copied")
    assert Embedder.load(copied).spaces == Embedder.load(tiny_model).spaces


def test_the_state_of_a_former_use_is_not_part_of_the_space(tiny_model, tmp_path):
    from tokenizers import Tokenizer

    copied = shutil.copytree(tiny_model, tmp_path / "copied")
    tokenizer = Tokenizer.from_file(str(copied / "tokenizer.json"))
    tokenizer.enable_truncation(33)
    tokenizer.no_padding()
    tokenizer.save(str(copied / "tokenizer.json"))
    assert Embedder.load(copied).spaces == Embedder.load(tiny_model).spaces


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({"seed": 1}, {"weights"}),
        ({"pooling": ("cls",)}, {"pooling"}),
        ({"normalise": False}, {"normalise"}),
        ({"max_tokens": 32}, {"max_tokens"}),
        ({"prompts": {"document": "text: "}}, {"document_prompt"}),
        ({"include_prompt": False}, {"include_prompt"}),
        ({"lower_case": True}, {"lower_case"}),
        ({"cased": True}, {"tokenizer"}),
        ({"dense": (32,)}, {"projections"}),
        ({"prompts": {"query": "question: "}}, set()),
    ],
    ids=lambda value: "-".join(value) or "none",
)
def test_all_that_changes_document_vectors_is_part_of_the_space(
    tiny_model, checkpoint, changes, facts
):
    ours = Embedder.load(tiny_model).spaces["dense"]
    theirs = Embedder.load(checkpoint(**changes)).spaces["dense"]
    assert {name for name in ours.facts if ours.facts[name] != theirs.facts[name]} == facts
    assert (ours == theirs) is (facts == set())


def test_a_projections_activation_is_part_of_the_space(checkpoint):
    tanh = Embedder.load(checkpoint("tanh", dense=(8,))).spaces["dense"]
    relu = Embedder.load(checkpoint("relu", dense=(8,), activation="ReLU")).spaces["dense"]
    assert tanh != relu


def test_the_number_of_attention_heads_is_part_of_the_space(tiny_model, tmp_path):
    copied = shutil.copytree(tiny_model, tmp_path / "copied")
    config = (copied / "config.json").read_text()
    assert '"num_attention_heads": 4' in config
    (copied / "config.json").write_text(
        config.replace('"num_attention_heads": 4', '"num_attention_heads": 2')
    )
    assert Embedder.load(copied).spaces != Embedder.load(tiny_model).spaces
