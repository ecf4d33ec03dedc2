"""Checkpoint folders are read exactly, or refused with the file that is at fault."""

from __future__ import annotations

import json
import shutil

import pytest

from trivet.embedding import Embedder
from trivet.embedding.readers.families import read_checkpoint
from trivet.errors import CheckpointError

TRANSFORMER = {"path": "", "type": "sentence_transformers.models.Transformer"}
POOLING = {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
NORMALIZE = {"path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}


@pytest.fixture
def folder(checkpoint):
    return checkpoint(dense=(24,))


def change(file, **values):
    stored = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**stored, **values}))


def test_the_spec_says_what_the_folder_holds(checkpoint):
    folder = checkpoint(
        pooling=("cls", "mean"),
        dense=(24, 12),
        activation="ReLU",
        bias=False,
        prompts={"query": "q "},
        lower_case=True,
    )
    spec = read_checkpoint(folder)
    assert spec.weights_files == (folder / "model.safetensors",)
    assert spec.pooling == ("cls", "mean")
    assert [(p.in_features, p.out_features) for p in spec.projections] == [(64, 24), (24, 12)]
    assert {p.activation for p in spec.projections} == {"ReLU"}
    assert not any(p.bias for p in spec.projections)
    assert (spec.dims, spec.max_tokens, spec.layers, spec.pad_id) == (12, 64, 2, 0)
    assert (spec.normalise, spec.lower_case, spec.include_prompt) == (True, True, True)
    assert spec.prompts == {"query": "q "}
    assert spec.modes == ("dense", "multi")


def test_a_prompt_that_is_null_is_no_prompt(folder):
    change(folder / "config_sentence_transformers.json", prompts={"query": None, "document": "d "})
    assert read_checkpoint(folder).prompts == {"query": "", "document": "d "}


def test_a_bare_causal_model_is_pooled_by_its_last_token(checkpoint):
    folder = checkpoint(bare=True)
    assert read_checkpoint(folder).pooling == ("mean",)
    change(folder / "config.json", architectures=["TinyForCausalLM"])
    assert read_checkpoint(folder).pooling == ("lasttoken",)
    change(folder / "config.json", is_causal=False)
    assert read_checkpoint(folder).pooling == ("mean",)


def test_the_window_is_the_smallest_that_is_stated(checkpoint):
    folder = checkpoint(max_tokens=None)
    assert read_checkpoint(folder).max_tokens == 64  # the position table; the tokenizer says 512
    change(folder / "tokenizer_config.json", model_max_length=48)
    assert read_checkpoint(folder).max_tokens == 48
    change(folder / "sentence_bert_config.json", max_seq_length=50)
    assert read_checkpoint(folder).max_tokens == 50
    change(folder / "sentence_bert_config.json", processor_kwargs={"model_max_length": 40})
    assert read_checkpoint(folder).max_tokens == 40


def test_a_settings_file_of_an_older_name_is_read(checkpoint):
    folder = checkpoint(max_tokens=33)
    shutil.move(folder / "sentence_bert_config.json", folder / "sentence_xlm-roberta_config.json")
    assert read_checkpoint(folder).max_tokens == 33


def test_a_window_that_nothing_states_is_refused(checkpoint):
    folder = checkpoint(max_tokens=None)
    change(folder / "tokenizer_config.json", model_max_length=None)
    change(folder / "config.json", max_position_embeddings=-1)
    with pytest.raises(CheckpointError, match="add max_seq_length"):
        read_checkpoint(folder)


def shard(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    parts = {"model-00001.safetensors": names[:9], "model-00002.safetensors": names[9:]}
    for file, kept in parts.items():
        part = {name: weights[name] for name in kept}
        save_file(part, folder / file, metadata={"format": "pt"})
    index = {name: file for file, kept in parts.items() for name in kept}
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": 1}, "weight_map": index})
    )
    (folder / "model.safetensors").unlink()


def test_weights_in_shards_are_read_and_part_of_the_space(folder):
    import numpy as np

    whole = Embedder.load(folder).embed_documents(["an anchor"]).dense
    shard(folder)
    embedder = Embedder.load(folder)
    assert len(read_checkpoint(folder).weights_files) == 2
    np.testing.assert_array_equal(embedder.embed_documents(["an anchor"]).dense[0], whole[0])
    with (folder / "model-00002.safetensors").open("ab") as file:
        file.write(b" ")
    assert Embedder.load(folder).spaces != embedder.spaces
    (folder / "model-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"got none called model-00002\.safetensors"):
        Embedder.load(folder)


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "tokenizer.json",
        "model.safetensors",
        "1_Pooling/config.json",
        "2_Dense/config.json",
        "2_Dense/model.safetensors",
    ],
)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=name.rpartition("/")[2]):
        Embedder.load(folder)


@pytest.mark.parametrize(
    "name",
    [
        "modules.json",
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "sentence_bert_config.json",
        "config_sentence_transformers.json",
        "1_Pooling/config.json",
        "2_Dense/config.json",
    ],
)
@pytest.mark.parametrize("content", [b"{", b"3", b"[1]", b"\xff\xfe"])
def test_a_damaged_file_is_named(checkpoint, name, content):
    folder = checkpoint(dense=(24,), max_tokens=None)
    (folder / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=name.rpartition("/")[2]):
        Embedder.load(folder)


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ([], "got no module"),
        ([POOLING, TRANSFORMER], "got Pooling, Transformer"),
        ([TRANSFORMER], "got Transformer in"),
        ([TRANSFORMER, POOLING, NORMALIZE, POOLING], "got Transformer, Pooling, Normalize, Pool"),
        ([TRANSFORMER, POOLING, {"type": "sentence_transformers.models.CNN"}], "got 'CNN'"),
        ([TRANSFORMER, POOLING, {"type": "mine.Normalize"}], "got 'mine.Normalize'"),
        ([TRANSFORMER, {**POOLING, "path": "../1_Pooling"}], "inside the checkpoint's folder"),
        ([TRANSFORMER, {**POOLING, "path": "/1_Pooling"}], "inside the checkpoint's folder"),
    ],
)
def test_a_chain_of_modules_that_is_not_ours_is_refused(folder, modules, message):
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(folder)


@pytest.mark.parametrize(
    ("file", "values"),
    [
        ("1_Pooling/config.json", {"pooling_mode": "median"}),
        ("2_Dense/config.json", {"activation_function": "mine.Swish"}),
        ("2_Dense/config.json", {"activation_function": "torch.nn.modules.activation.Softmax"}),
        ("2_Dense/config.json", {"module_input_name": "token_embeddings"}),
        ("2_Dense/config.json", {"module_output_name": "other"}),
        ("2_Dense/config.json", {"use_residual": True}),
        ("2_Dense/config.json", {"in_features": 33}),
        ("2_Dense/config.json", {"out_features": None}),
        ("sentence_bert_config.json", {"transformer_task": "text-generation"}),
        ("sentence_bert_config.json", {"module_output_name": "scores"}),
        ("sentence_bert_config.json", {"modality_config": {"image": {}}}),
        ("sentence_bert_config.json", {"config_args": {"num_hidden_layers": 1}}),
        ("sentence_bert_config.json", {"config_kwargs": {"hidden_act": "relu"}}),
        ("sentence_bert_config.json", {"processor_kwargs": {"do_lower_case": True}}),
        ("sentence_bert_config.json", {"model_kwargs": {"num_hidden_layers": 1}}),
        ("sentence_bert_config.json", {"query_length": 32}),
        ("config.json", {"hidden_size": "32"}),
        ("config_sentence_transformers.json", {"default_prompt_name": "none"}),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_a_setting_that_we_would_not_obey_is_refused_by_name(folder, file, values):
    read_checkpoint(folder)
    change(folder / file, **values)
    named = next(iter(values)).replace("config_kwargs", "config_args")
    with pytest.raises(CheckpointError, match=named) as caught:
        read_checkpoint(folder)
    assert file.rpartition("/")[2] in str(caught.value)


def test_an_attention_that_is_no_yes_or_no_is_refused(folder):
    change(folder / "sentence_bert_config.json", config_args={"is_causal": "no"})
    with pytest.raises(
        CheckpointError, match=r"true or false under config_args\.is_causal in .*, got 'no'"
    ):
        read_checkpoint(folder)


def test_a_backbone_output_that_is_no_token_state_is_refused(folder):
    text = {"method": "forward", "method_output_name": "pooler_output"}
    change(folder / "sentence_bert_config.json", modality_config={"text": text})
    with pytest.raises(CheckpointError, match="method_output_name one of last_hidden_state"):
        read_checkpoint(folder)


def test_an_encoder_decoder_is_refused(folder):
    change(folder / "config.json", is_encoder_decoder=True, model_type="t5")
    with pytest.raises(CheckpointError, match="got 't5'"):
        read_checkpoint(folder)


def test_settings_that_leave_the_vectors_alone_are_let_through(folder):
    before = Embedder.load(folder).spaces
    change(folder / "sentence_bert_config.json", model_args={"torch_dtype": "float16"})
    change(folder / "sentence_bert_config.json", unpad_inputs=True, query_expansion=None)
    assert Embedder.load(folder).spaces == before


def test_a_projection_with_the_wrong_weights_is_refused(folder):
    import torch
    from safetensors.torch import save_file

    save_file({"linear.weight": torch.ones(3, 3)}, folder / "2_Dense" / "model.safetensors")
    with pytest.raises(CheckpointError, match="24 × 32"):
        Embedder.load(folder).load_weights()


def test_a_pickle_that_would_run_code_is_refused_unrun(checkpoint, capsys):
    import pickle

    class Harmful:
        def __reduce__(self):
            return (print, ("it ran",))

    folder = checkpoint(dense=(24,), pickled=True)
    (folder / "2_Dense" / "pytorch_model.bin").write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin"):
        Embedder.load(folder).load_weights()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("file", "values"),
    [
        ("config_sentence_transformers.json", {"prompts": ["query: "]}),
        ("config_sentence_transformers.json", {"prompts": {"query": 5}}),
        ("config_sentence_transformers.json", {"truncate_dim": "8"}),
        ("config_sentence_transformers.json", {"truncate_dim": -1}),
        ("sentence_bert_config.json", {"max_seq_length": "64"}),
        ("sentence_bert_config.json", {"max_seq_length": -1}),
    ],
)
def test_a_setting_of_another_type_is_refused_by_name(folder, file, values):
    change(folder / file, **values)
    with pytest.raises(CheckpointError, match=next(iter(values))):
        read_checkpoint(folder)


def test_prompts_that_are_null_are_none(folder):
    change(folder / "config_sentence_transformers.json", prompts=None)
    assert read_checkpoint(folder).prompts == {}
