"""Tiny checkpoints of modules that only sentence-transformers runs, as it saves them itself."""

from __future__ import annotations

import json
from pathlib import Path

from checkpoints import HIDDEN, WORDS, Recipe, build_checkpoint, seeded, vocabulary, write_tokenizer
from layouts import change

CUSTOM = """
import torch
from torch import nn
from sentence_transformers.base.modules import Module

class Turned(Module):
    config_keys = ["factor"]

    def __init__(self, factor=2.0):
        super().__init__()
        self.factor = factor

    def forward(self, features):
        features["sentence_embedding"] = self.factor * features["sentence_embedding"].flip(-1)
        return features

    def save(self, output_path, *args, **kwargs):
        self.save_config(output_path)
"""


def build_chain(folder: Path, name: str) -> Path:
    """A checkpoint of one of `CHAINS`, with prompts where its name says so."""
    from sentence_transformers import SentenceTransformer

    modules = CHAINS[name.removesuffix("-prompts")](folder)
    prompts = {"query": "the question ", "document": "a text "} if "-prompts" in name else None
    model = SentenceTransformer(modules=modules, prompts=prompts, device="cpu")
    model.save(str(folder), create_model_card=False)
    if name == "weighted-layers":
        change(folder / "config.json", output_hidden_states=True)
    if name == "custom":
        make_custom(folder)
    return folder


def make_custom(folder: Path) -> None:
    """Put a module of the checkpoint's own behind the others."""
    (folder / "turning.py").write_text(CUSTOM)
    (folder / "9_Turned").mkdir()
    (folder / "9_Turned" / "config.json").write_text(json.dumps({"factor": 3.0}))
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"idx": 9, "name": "9", "path": "9_Turned", "type": "turning.Turned"})
    (folder / "modules.json").write_text(json.dumps(modules))


def _transformer(folder: Path, max_tokens: int = 64):
    from sentence_transformers.base.modules import Transformer

    bare = build_checkpoint(folder.parent / f"{folder.name}-backbone", Recipe(bare=True))
    return Transformer(str(bare), max_seq_length=max_tokens)


def _pooling(dims: int = HIDDEN, **settings):
    from sentence_transformers.sentence_transformer.modules import Pooling

    return Pooling(dims, **settings)


def _drawn(*shape: int, seed: int = 5):
    import torch

    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _layer_norm(folder: Path, **pooling):
    import torch
    from sentence_transformers.sentence_transformer.modules import LayerNorm

    norm = LayerNorm(HIDDEN)
    with torch.no_grad():
        norm.norm.weight.copy_(1 + _drawn(HIDDEN))
        norm.norm.bias.copy_(_drawn(HIDDEN, seed=6))
    return [_transformer(folder), _pooling(**pooling), norm]


def _weighted_layers(folder: Path):
    import torch
    from sentence_transformers.sentence_transformer.modules import WeightedLayerPooling

    weights = torch.nn.Parameter(torch.tensor([0.2, 1.5]))
    layers = WeightedLayerPooling(HIDDEN, num_hidden_layers=2, layer_start=1, layer_weights=weights)
    return [_transformer(folder), layers, _pooling()]


def _dense(rows: int = HIDDEN, **settings):
    from sentence_transformers.base.modules import Dense
    from torch import nn

    settings = {"activation_function": nn.ELU(), **settings}
    return Dense(HIDDEN, rows, init_weight=_drawn(rows, HIDDEN) / HIDDEN**0.5, **settings)


def _static(folder: Path):
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    place = folder.parent / f"{folder.name}-tokenizer"
    place.mkdir()
    write_tokenizer(place, Recipe(cased=True))
    tokenizer = Tokenizer.from_file(str(place / "tokenizer.json"))
    tokenizer.no_truncation()
    return StaticEmbedding(tokenizer, embedding_weights=_drawn(len(vocabulary()), HIDDEN).numpy())


def _routes(folder: Path):
    from sentence_transformers.base.modules import Normalize, Router

    document = [_transformer(folder), _pooling(), _dense()]
    return [Router.for_query_document([_static(folder)], document), Normalize()]


def _word_embeddings():
    from sentence_transformers.sentence_transformer.modules import WordEmbeddings
    from sentence_transformers.sentence_transformer.modules.tokenizer import WhitespaceTokenizer

    words = ["PADDING", *dict.fromkeys(WORDS)]
    tokenizer = WhitespaceTokenizer(words, stop_words=["the"], do_lower_case=True)
    return WordEmbeddings(tokenizer, _drawn(len(words), 16).numpy())


def _lstm(folder: Path):
    from sentence_transformers.sentence_transformer.modules import LSTM

    return [_word_embeddings(), seeded(LSTM, 16, 12), _pooling(24)]


def seeded_cnn(dims: int):
    from sentence_transformers.sentence_transformer.modules import CNN

    return seeded(CNN, dims, 8, [1, 3, 5])


def _bag_of_words(folder: Path):
    from sentence_transformers.sentence_transformer.modules import BoW

    words = list(dict.fromkeys(WORDS))
    return [BoW(words, word_weights={"anchor": 2.5, "ship": 0.5}), _bow_dense(len(words))]


def _bow_dense(words: int):
    from sentence_transformers.base.modules import Dense

    return Dense(words, 12, init_weight=_drawn(12, words))


def _dropout(folder: Path):
    from sentence_transformers.sentence_transformer.modules import Dropout

    return [_transformer(folder), _pooling(), Dropout(0.5)]


def _t5(folder: Path):
    from sentence_transformers.base.modules import Normalize, Transformer
    from transformers import T5Config, T5EncoderModel

    place = folder.parent / f"{folder.name}-backbone"
    place.mkdir()
    write_tokenizer(place, Recipe())
    config = T5Config(
        vocab_size=len(vocabulary()),
        d_model=HIDDEN,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        initializer_factor=3.0,
    )
    seeded(T5EncoderModel, config).save_pretrained(place)
    return [Transformer(str(place), max_seq_length=64), _pooling(), _dense(24), Normalize()]


CHAINS = {
    "layer-norm": _layer_norm,
    "layer-norm-prompt-left-out": lambda folder: _layer_norm(folder, include_prompt=False),
    "weighted-layers": _weighted_layers,
    "dense-over-tokens": lambda folder: [
        _transformer(folder),
        _dense(module_input_name="token_embeddings"),
        _pooling(pooling_mode="max"),
    ],
    "residual-dense": lambda folder: [
        _transformer(folder),
        _pooling(),
        _dense(use_residual=True),
    ],
    "cnn": lambda folder: [_transformer(folder), seeded_cnn(HIDDEN), _pooling(24)],
    "word-cnn": lambda folder: [_word_embeddings(), seeded_cnn(16), _pooling(24)],
    "lstm": _lstm,
    "bag-of-words": _bag_of_words,
    "static": lambda folder: [_static(folder)],
    "routes": _routes,
    "dropout": _dropout,
    "t5": _t5,
    "custom": lambda folder: [_transformer(folder), _pooling()],
}
