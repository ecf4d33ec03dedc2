"""Tiny decoders with random weights, in the layouts of the families that embed with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from checkpoints import WORDS, seeded, write_json

if TYPE_CHECKING:
    import torch

HIDDEN = 32
TOKENS = ["<unk>", "<s>", "</s>", "<pad>", "<|endoftext|>"]


def write_decoder_tokenizer(
    folder: Path, *, begins: str | None = None, ends: str | None = None, side: str = "right"
) -> int:
    """A byte-level tokenizer of common words; returns the size of its vocabulary."""
    from tokenizers import Tokenizer, processors

    tokenizer = Tokenizer.from_str(_trained())
    parts = [token for token in (begins, "$A", ends) if token]
    if begins or ends:
        special = [(t, tokenizer.token_to_id(t)) for t in (begins, ends) if t]
        template = processors.TemplateProcessing(single=" ".join(parts), special_tokens=special)
        tokenizer.post_processor = processors.Sequence(
            [processors.ByteLevel(trim_offsets=False), template]
        )
    else:
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.enable_padding(direction=side, pad_id=3, pad_token="<pad>")
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": "</s>",
            "pad_token": "<pad>",
            "padding_side": side,
            "model_max_length": 120,
        },
    )
    return tokenizer.get_vocab_size()


@cache
def _trained() -> str:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([" ".join(WORDS)], trainer)
    return tokenizer.to_str()


def decoder_config(family: str, words: int, **changes):
    """A tiny config of Qwen2, Qwen3, Llama, Mistral or Gemma 3."""
    import transformers

    kinds = {
        "qwen2": transformers.Qwen2Config,
        "qwen3": transformers.Qwen3Config,
        "llama": transformers.LlamaConfig,
        "mistral": transformers.MistralConfig,
        "gemma3": transformers.Gemma3TextConfig,
    }
    facts = {
        "vocab_size": words,
        "hidden_size": HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "intermediate_size": 48,
        "max_position_embeddings": 128,
        "initializer_range": 0.2,
        "pad_token_id": 3,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    return kinds[family](**{**facts, **changes})


def build_decoder(
    folder: Path,
    family: str,
    *,
    begins: str | None = None,
    ends: str | None = None,
    side: str = "right",
    pooling: str | None = None,
    prefix: str = "",
) -> Path:
    """A decoder as its repository holds it.

    Args:
        folder: is made.
        family: of the transformer.
        begins: the token that the tokenizer puts before every text.
        ends: the token that it puts behind.
        side: where its tokenizer says that padding goes.
        pooling: writes the modules of sentence-transformers; None = what transformers saves.
        prefix: of every weight's name.
    """
    from safetensors.torch import load_file, save_file
    from transformers import AutoModel, AutoModelForCausalLM

    words = write_decoder_tokenizer(folder, begins=begins, ends=ends, side=side)
    kind = AutoModel if pooling else AutoModelForCausalLM
    model = seeded(kind.from_config, decoder_config(family, words), seed=3)
    model.save_pretrained(folder)
    if prefix:
        file = folder / "model.safetensors"
        weights = {prefix + name: tensor for name, tensor in load_file(file).items()}
        save_file(weights, file, metadata={"format": "pt"})
    if pooling:
        names = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
        modules = [
            {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for n, (path, kind) in enumerate(names.items())
        ]
        write_json(folder / "modules.json", modules)
        write_json(folder / "sentence_bert_config.json", {"max_seq_length": 120})
        switch = {"mean": "mean_tokens", "lasttoken": "lasttoken"}[pooling]
        stated = {"word_embedding_dimension": HIDDEN, f"pooling_mode_{switch}": True}
        write_json(folder / "1_Pooling" / "config.json", stated)
    return folder


def build_nv_embed(folder: Path) -> Path:
    """NV-Embed: a Mistral and its latent attention in one file, under a config of its own."""
    import torch
    from safetensors.torch import load_file, save_file

    build_decoder(folder, "mistral", begins="<s>", pooling="mean", prefix="embedding_model.")
    file = folder / "model.safetensors"
    generator = torch.Generator().manual_seed(5)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) / shape[-1] ** 0.5

    named = {f"latent_attention_model.{name}": t for name, t in nv_embed_latents(draw).items()}
    save_file({**load_file(file), **named}, file, metadata={"format": "pt"})
    text = json.loads((folder / "config.json").read_text())
    write_json(
        folder / "config.json",
        {
            "model_type": "nvembed",
            "architectures": ["NVEmbedModel"],
            "auto_map": {"AutoModel": "modeling_nvembed.NVEmbedModel"},
            "hidden_size": HIDDEN,
            "latent_attention_config": {"model_type": "latent_attention", "num_cross_heads": 2},
            "text_config": {**text, "model_type": "bidir_mistral"},
        },
    )
    return folder


def nv_embed_latents(draw: Callable[..., torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of its latent attention, by name."""
    inner, latents = 24, 6  # two heads of 12
    return {
        "latents": draw(latents, HIDDEN),
        "cross_attend_blocks.0.norm.weight": 1 + draw(HIDDEN),
        "cross_attend_blocks.0.norm.bias": draw(HIDDEN),
        "cross_attend_blocks.0.norm_context.weight": 1 + draw(HIDDEN),
        "cross_attend_blocks.0.norm_context.bias": draw(HIDDEN),
        "cross_attend_blocks.0.fn.to_q.weight": draw(inner, HIDDEN),
        "cross_attend_blocks.0.fn.to_kv.weight": draw(2 * inner, HIDDEN),
        "cross_attend_blocks.0.fn.to_out.weight": draw(HIDDEN, inner),
        "cross_attend_blocks.1.norm.weight": 1 + draw(HIDDEN),
        "cross_attend_blocks.1.norm.bias": draw(HIDDEN),
        "cross_attend_blocks.1.fn.net.0.weight": draw(8 * HIDDEN, HIDDEN),
        "cross_attend_blocks.1.fn.net.0.bias": draw(8 * HIDDEN),
        "cross_attend_blocks.1.fn.net.2.weight": draw(HIDDEN, 4 * HIDDEN),
        "cross_attend_blocks.1.fn.net.2.bias": draw(HIDDEN),
    }


def states_by_hand(folder, ids, *, causal, prefix=""):
    """The last states of one text under an explicit mask, without padding."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoModel

    stored = json.loads((folder / "config.json").read_text())
    stored = stored.get("text_config", stored)
    kind = {"bidir_mistral": "mistral", "llama_bidirec": "llama"}.get(
        stored["model_type"], stored["model_type"]
    )
    facts = {k: v for k, v in stored.items() if k not in ("model_type", "auto_map")}
    model = AutoModel.from_config(AutoConfig.for_model(kind, **facts), attn_implementation="eager")
    weights = load_file(folder / "model.safetensors")
    names = [prefix, "model."]
    for start in names:
        weights = {
            n[len(start) :] if start and n.startswith(start) else n: w for n, w in weights.items()
        }
    missing, _ = model.load_state_dict(weights, strict=False)
    assert not missing
    t = len(ids)
    seen = torch.ones(t, t).tril() if causal else torch.ones(t, t)
    mask = (1 - seen)[None, None] * torch.finfo(torch.float32).min
    if kind.startswith("gemma3"):
        mask = {"full_attention": mask, "sliding_attention": mask}
    with torch.no_grad():
        return model.eval()(torch.tensor([ids]), attention_mask=mask).last_hidden_state[0]


def unit(vector):
    return vector / np.linalg.norm(vector)
