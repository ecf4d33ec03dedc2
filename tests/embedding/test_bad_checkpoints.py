"""Whatever is broken in a checkpoint of whatever family, nothing is half loaded, half right."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from families import FAMILIES

from trivet.embedding import Embedder
from trivet.errors import (
    CheckpointError,
    InstructionError,
    MissingHeadError,
    TextTooLongError,
    UnknownTaskError,
)
from trivet.query import Example, Query

TEXTS = ["a kedge is a light anchor", "leeway", "錨は船を留める"]
DAMAGES = {
    "missing": lambda file: file.unlink(),
    "empty": lambda file: file.write_bytes(b""),
    "garbage": lambda file: file.write_bytes(b"\x00garbage\xff"),
}


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    """The folder of a family, built once, and what it makes of the texts."""
    parent, found = tmp_path_factory.mktemp("families"), {}

    def build(name):
        if name not in found:
            folder = FAMILIES[name].build(parent / name)
            found[name] = folder, load(folder, name).embed_documents(TEXTS)
        return found[name]

    return build


@pytest.fixture
def copied(healthy, tmp_path):
    def copy(name):
        folder, _ = healthy(name)
        return shutil.copytree(folder, tmp_path / name)

    return copy


def load(folder, name):
    return Embedder.load(folder, **FAMILIES[name].options)


def same(made, expected):
    assert made.legs.keys() == expected.legs.keys()
    for mode, leg in made.legs.items():
        assert leg.space == expected.legs[mode].space
        for ours, theirs in zip(leg.values, expected.legs[mode].values, strict=True):
            if mode == "sparse":
                np.testing.assert_array_equal(ours.indices, theirs.indices)
                ours, theirs = ours.values, theirs.values
            np.testing.assert_allclose(ours, theirs, atol=1e-5)


def require_refused_and_repairable(folder, name, file, healthy):
    """The damaged folder raises, at the latest with its weights, and the repaired one is whole."""
    whole, expected = healthy(name)
    loaded = []
    with pytest.raises((CheckpointError, MissingHeadError), match="expected"):
        use(folder, name, loaded)
    shutil.copy(whole / file, folder / file)
    same(load(folder, name).embed_documents(TEXTS), expected)
    for embedder in loaded:
        if not embedder.is_loaded:
            # Its spaces are of the damaged weights: it must not give vectors of the repaired ones.
            with pytest.raises(CheckpointError, match="as it was when the model was opened"):
                embedder.embed_documents(TEXTS)


def use(folder, name, loaded):
    """Load a model and embed both ways; `loaded` gets it, if it comes so far."""
    loaded.append(load(folder, name))
    loaded[0].embed_documents(TEXTS)
    loaded[0].embed_queries(TEXTS)


def cases(*parts):
    return [
        pytest.param(name, file, id=f"{name}-{file}")
        for name, family in FAMILIES.items()
        for part in parts
        for file in ([getattr(family, part)] if part in SINGLE else getattr(family, part))
    ]


SINGLE = ("tokenizer", "weights")


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(("name", "file"), cases("tokenizer", "settings"))
def test_a_broken_tokenizer_or_setting_is_refused(copied, healthy, name, file, damage):
    folder = copied(name)
    DAMAGES[damage](folder / file)
    require_refused_and_repairable(folder, name, file, healthy)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(("name", "file"), cases("weights", "heads"))
def test_broken_weights_are_refused(copied, healthy, name, file, damage):
    folder = copied(name)
    DAMAGES[damage](folder / file)
    require_refused_and_repairable(folder, name, file, healthy)


def reshaped(tensors, which):
    """The tensors with one of two dimensions cut by a column."""
    names = sorted(name for name, tensor in tensors.items() if tensor.ndim == 2)
    chosen = (names or sorted(tensors))[0 if which == "first" else -1]
    return {**tensors, chosen: tensors[chosen][..., :-1].contiguous()}


@pytest.mark.parametrize("which", ["first", "last"])
@pytest.mark.parametrize(("name", "file"), cases("weights", "heads"))
def test_weights_of_another_shape_are_refused(copied, healthy, name, file, which):
    import torch
    from safetensors.torch import load_file, save_file

    folder = copied(name)
    if file.endswith(".pt"):
        tensors = torch.load(folder / file, weights_only=True)
        torch.save(reshaped(tensors, which), folder / file)
    else:
        tensors = reshaped(load_file(folder / file), which)
        save_file(tensors, folder / file, metadata={"format": "pt"})
    require_refused_and_repairable(folder, name, file, healthy)


@pytest.mark.parametrize(("name", "file"), cases("weights"))
def test_a_missing_weight_is_refused(copied, healthy, name, file):
    from safetensors.torch import load_file, save_file

    folder = copied(name)
    tensors = load_file(folder / file)
    # A layer's own weight: some families do without the pooler, all read their last layer.
    gone = max(n for n in tensors if "layer" in n and n.endswith("weight") and "lat" not in n)
    del tensors[gone]
    save_file(tensors, folder / file, metadata={"format": "pt"})
    require_refused_and_repairable(folder, name, file, healthy)


@pytest.mark.parametrize("name", FAMILIES)
def test_code_of_its_own_is_refused(copied, healthy, name, capsys):
    if name == "nv-embed":
        pytest.skip("its profile names what runs in place of its code")
    folder = copied(name)
    config = folder / FAMILIES[name].weights.replace("model.safetensors", "config.json")
    (config.parent / "modeling_mine.py").write_text("print('it ran')\n")
    stored = json.loads(config.read_text())
    stored["auto_map"] = {"AutoModel": "modeling_mine.Mine"}
    config.write_text(json.dumps(stored))
    with pytest.raises(CheckpointError, match="trust_remote_code=True"):
        load(folder, name)
    assert "it ran" not in capsys.readouterr().out


@pytest.mark.parametrize("name", FAMILIES)
def test_no_text_gives_no_vector_and_loads_nothing(healthy, name):
    folder, expected = healthy(name)
    embedder = load(folder, name)
    for made in (embedder.embed_documents([]), embedder.embed_queries([])):
        assert len(made) == 0
        assert made.legs.keys() == expected.legs.keys()
        for mode, leg in made.legs.items():
            assert leg.space == expected.legs[mode].space
    assert embedder.count_tokens([]) == []
    assert embedder.is_loaded is (name == "chain")  # which has to run to be known


@pytest.mark.parametrize("name", FAMILIES)
def test_a_text_that_is_too_long_is_refused_or_cut(healthy, name):
    embedder = load(healthy(name)[0], name)
    long = "ship and 船 " * 200
    with pytest.raises(TextTooLongError, match="at position 1"):
        embedder.embed_documents(["ship", long])
    cut = embedder.embed_documents(["ship", long], truncate=True)
    same(cut[:1], embedder.embed_documents(["ship"]))
    assert len(cut) == 2
    if name == "document-only":
        return  # its queries are sets of words
    with pytest.raises(TextTooLongError, match="at position 1"):
        embedder.embed_queries(["ship", long])
    assert len(embedder.embed_queries(["ship", long], truncate=True)) == 2


@pytest.mark.parametrize("name", FAMILIES)
def test_an_instruction_that_leaves_no_room_is_refused(healthy, name):
    if name == "document-only":
        pytest.skip("its queries are sets of words")
    embedder = Embedder.load(
        healthy(name)[0],
        **{**FAMILIES[name].options, "prompts": {"query": "find {instruction}: {text}"}},
    )
    long = Query("what keeps a ship in place?", instruction="ship and sail " * 100)
    with pytest.raises((InstructionError, TextTooLongError)):
        embedder.embed_queries([long])
    with pytest.raises(InstructionError, match="leave room for a text"):
        embedder.embed_queries([long], truncate=True)
    assert len(embedder.embed_queries([Query("ship", instruction="what")])) == 1


@pytest.mark.parametrize("name", FAMILIES)
def test_what_the_family_has_no_wording_for_is_refused(healthy, name):
    embedder = load(healthy(name)[0], name)
    with pytest.raises(UnknownTaskError):
        embedder.embed_queries(["ship"], task="cooking")
    shown = Query("ship", examples=(Example("boat", "a boat sails"),))
    with pytest.raises(InstructionError, match="expected no examples"):
        embedder.embed_queries([shown])
    if name != "nv-embed":  # which has a place for one
        with pytest.raises(InstructionError, match="expected no instruction"):
            embedder.embed_queries([Query("ship", instruction="find it")])
    assert embedder.is_loaded is (name == "chain")
