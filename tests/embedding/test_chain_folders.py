"""Which folders of foreign modules are let in, what their space is, and why one is refused."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from chains import build_chain, make_custom
from checkpoints import HIDDEN
from layouts import build_native, build_splade, change

from trivet.embedding import Embedder
from trivet.embedding.profile import Profile
from trivet.errors import (
    CheckpointError,
    InstructionError,
    InvalidInputError,
    MissingExtraError,
    MissingHeadError,
)

pytestmark = pytest.mark.usefixtures("code_cache")

TEXTS = ["a kedge is a light anchor", "Leeway is SIDEWAYS drift!", "anchor"]


def load(folder):
    return Embedder.load(folder, trust_remote_code=folder.name == "custom")


def files_of(folder):
    return sorted(
        file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()
    )


@pytest.mark.parametrize("name", ["layer-norm", "routes", "custom", "lstm"])
def test_every_file_that_changes_vectors_is_part_of_the_space(tmp_path, name):
    folder = build_chain(tmp_path / name, name)
    spaces = load(folder).spaces
    for file in files_of(folder):
        before = (folder / file).read_bytes()
        if file.endswith(".safetensors"):
            from safetensors.numpy import load_file, save_file

            weights = {key: 1.5 * rows for key, rows in load_file(folder / file).items()}
            save_file(weights, folder / file, metadata={"format": "pt"})
        else:
            (folder / file).write_bytes(before + b"\n")
        changed = load(folder).spaces
        assert (changed != spaces) is (file != "config_sentence_transformers.json"), file
        (folder / file).write_bytes(before)
    (folder / "README.md").write_text("about it")
    assert load(folder).spaces == spaces


def test_the_documents_prompt_is_part_of_the_space_and_the_querys_is_free(tmp_path):
    folder = build_chain(tmp_path / "m", "layer-norm-prompts")
    spaces = Embedder.load(folder).spaces
    library = folder / "config_sentence_transformers.json"
    change(library, prompts={"query": "which ", "document": "a text "})
    assert Embedder.load(folder).spaces == spaces
    change(library, prompts={"query": "which ", "document": "the text "})
    assert Embedder.load(folder).spaces != spaces


def test_code_from_elsewhere_runs_only_where_it_is_trusted(tmp_path, capsys):
    folder = build_chain(tmp_path / "m", "layer-norm")
    make_custom(folder)
    code = folder / "turning.py"
    code.write_text("print('it ran')\n" + code.read_text())
    with pytest.raises(CheckpointError, match=r"'turning\.Turned' in .*trust_remote_code=True"):
        Embedder.load(folder)
    assert "it ran" not in capsys.readouterr().out
    assert len(Embedder.load(folder, trust_remote_code=True).embed_documents(TEXTS)) == len(TEXTS)
    assert "it ran" in capsys.readouterr().out


def test_code_behind_a_router_or_in_a_setting_is_refused_too(tmp_path, capsys):
    folder = build_chain(tmp_path / "m", "routes")
    file = folder / "router_config.json"
    config = json.loads(file.read_text())
    changed = {**config["types"], "query_0_StaticEmbedding": "turning.Turned"}
    change(file, types=changed)
    with pytest.raises(CheckpointError, match=r"'turning\.Turned' in .*router_config\.json"):
        Embedder.load(folder)
    other = build_chain(tmp_path / "other", "residual-dense")
    dense = next(other.glob("*_Dense")) / "config.json"
    change(dense, activation_function="turning.Turned")
    with pytest.raises(CheckpointError, match="trust_remote_code=True"):
        Embedder.load(other)


def test_without_sentence_transformers_the_extra_is_named(folder_of):
    code = (
        "import importlib.util, sys; sys.modules['sentence_transformers'] = None; "
        "find = importlib.util.find_spec; "
        "importlib.util.find_spec = lambda name, *a: "
        "None if name == 'sentence_transformers' else find(name, *a); "
        "from trivet.embedding import Embedder; Embedder.load(sys.argv[1])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(folder_of("layer-norm"))],
        capture_output=True,
        text=True,
        check=False,
    )
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith(f"trivet.errors.{MissingExtraError.__name__}: expected as module")
    assert "got 'LayerNorm'" in last
    assert 'or run pip install "trivet[st]"' in last


def test_a_weight_that_is_missing_is_never_replaced_by_a_random_one(tmp_path):
    from safetensors.numpy import load_file, save_file

    folder = build_chain(tmp_path / "m", "layer-norm")
    weights = load_file(folder / "model.safetensors")
    kept = {name: rows for name, rows in weights.items() if not name.startswith("pooler.")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    assert len(Embedder.load(folder).embed_documents(TEXTS)) == len(TEXTS)  # none reads the pooler
    del kept["encoder.layer.1.output.dense.weight"]
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="fills with random numbers"):
        Embedder.load(folder)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("2_LayerNorm/model.safetensors", None),
        ("2_LayerNorm/model.safetensors", b"no weights"),
        ("2_LayerNorm/config.json", b"{"),
        ("model.safetensors", None),
        ("model.safetensors", b"no weights"),
        ("tokenizer.json", None),
        ("tokenizer.json", b"{"),
        ("1_Pooling/config.json", None),
        ("config.json", None),
    ],
)
def test_a_missing_or_damaged_file_is_refused_at_once(tmp_path, file, content):
    folder = build_chain(tmp_path / "m", "layer-norm")
    whole = (folder / file).read_bytes()
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(CheckpointError):
        Embedder.load(folder)
    (folder / file).write_bytes(whole)
    assert len(Embedder.load(folder).embed_documents(TEXTS)) == len(TEXTS)


def test_weights_of_another_shape_are_refused_at_once(tmp_path):
    from safetensors.numpy import save_file

    folder = build_chain(tmp_path / "m", "layer-norm")
    rows = np.ones(HIDDEN + 1, dtype=np.float32)
    save_file(
        {"norm.weight": rows, "norm.bias": rows}, folder / "2_LayerNorm" / "model.safetensors"
    )
    with pytest.raises(CheckpointError, match="sentence-transformers"):
        Embedder.load(folder)


def test_roles_of_two_lengths_are_refused(tmp_path):
    from safetensors.numpy import load_file, save_file

    folder = build_chain(tmp_path / "m", "routes")
    file = folder / "query_0_StaticEmbedding" / "model.safetensors"
    rows = load_file(file)["embedding.weight"][:, :16]
    save_file({"embedding.weight": np.ascontiguousarray(rows)}, file)
    with pytest.raises(CheckpointError, match="16 numbers for a query and 32 for a document"):
        Embedder.load(folder)


def test_a_router_without_a_route_for_a_role_is_refused(tmp_path):
    folder = build_chain(tmp_path / "m", "routes")
    file = folder / "router_config.json"
    config = json.loads(file.read_text())
    config["structure"]["question"] = config["structure"].pop("query")
    file.write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="No route found for task type 'query'"):
        Embedder.load(folder)


def test_what_the_modules_would_not_obey_is_refused(folder_of):
    folder = folder_of("layer-norm")
    with pytest.raises(InvalidInputError, match="expected no layers"):
        Embedder.load(folder, layers=1)
    with pytest.raises(InvalidInputError, match="it has no token vectors"):
        Embedder.load(folder, token_pooling=2)
    with pytest.raises(InvalidInputError, match="expected a profile of wordings"):
        Embedder.load(folder, profile=Profile("mine", pooling="cls"))
    with pytest.raises(InstructionError, match="expected wordings that end with the text"):
        Embedder.load(folder, prompts={"query": "{text} behind it"})
    with pytest.raises(MissingHeadError, match="with a multi head"):
        Embedder.load(folder, modes=["dense", "multi"])
    wording = Embedder.load(folder, prompts={"query": "which {text}"})
    assert wording.render("ship") == "which ship"


@pytest.mark.parametrize("build", [build_splade, build_native])
def test_only_a_dense_model_goes_this_way(tmp_path, build):
    """sentence-transformers would turn others into a dense one, with modules of its own choice."""
    folder = build(tmp_path / "m")
    modules = json.loads((folder / "modules.json").read_text())
    kind = "sentence_transformers.sentence_transformer.modules.dropout.Dropout"
    modules.append({"idx": 9, "name": "9", "path": "9_Dropout", "type": kind})
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(CheckpointError, match="got 'Dropout'"):
        Embedder.load(folder)


def test_a_module_outside_the_folder_is_refused(tmp_path):
    folder = build_chain(tmp_path / "m", "layer-norm")
    modules = json.loads((folder / "modules.json").read_text())
    modules[-1]["path"] = "../2_LayerNorm"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(CheckpointError, match="inside the checkpoint's folder"):
        Embedder.load(folder)
