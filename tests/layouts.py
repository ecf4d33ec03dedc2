"""Tiny checkpoints with random weights, in the layouts of sparse and multi-vector families."""

from __future__ import annotations

import json
from pathlib import Path

from checkpoints import (
    HIDDEN,
    SPECIAL,
    Recipe,
    quiet_places,
    seeded,
    small_bert,
    vocabulary,
    write_json,
    write_tokenizer,
)

XLMR_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def build_m3(folder: Path, *, dims: int = 12, heads: bool = True, modules: bool = True) -> Path:
    """BGE-M3: an XLM-R, pooled by its first token, and two heads as state dicts."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    folder.mkdir(parents=True)
    words = _write_xlmr_tokenizer(folder)
    config = XLMRobertaConfig(
        vocab_size=words,
        hidden_size=HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=66,
        initializer_range=0.2,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        type_vocab_size=1,
    )
    model = quiet_places(seeded(XLMRobertaModel, config))
    model.save_pretrained(folder)
    if modules:
        write_json(folder / "sentence_bert_config.json", {"max_seq_length": 64})
        chain = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
        write_modules(folder, [(p, f"sentence_transformers.models.{kind}") for p, kind in chain])
        write_json(folder / "1_Pooling" / "config.json", {"pooling_mode_cls_token": True})
    if heads:
        generator = torch.Generator().manual_seed(8)
        for name, rows in (("sparse_linear.pt", 1), ("colbert_linear.pt", dims)):
            weight = torch.randn(rows, HIDDEN, generator=generator) / HIDDEN**0.5
            bias = torch.full((rows,), 0.5)
            torch.save({"weight": weight, "bias": bias}, folder / name)
    return folder


def write_modules(folder: Path, modules: list[tuple[str, str]]) -> None:
    """A modules.json of (path, type)."""
    rows = [
        {"idx": number, "name": str(number), "path": path, "type": kind}
        for number, (path, kind) in enumerate(modules)
    ]
    write_json(folder / "modules.json", rows)


def change(file: Path, **values: object) -> None:
    """Change keys of a JSON object."""
    stored = json.loads(file.read_text()) if file.exists() else {}
    write_json(file, {**stored, **values})


def _write_xlmr_tokenizer(folder: Path) -> int:
    from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import WordPiece

    words = [*XLMR_SPECIAL[:4], *vocabulary()[len(SPECIAL) :], XLMR_SPECIAL[4]]
    ids = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(WordPiece(ids, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.add_special_tokens(XLMR_SPECIAL)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = ("cls", "pad", "eos", "unk", "mask")
    special = {f"{name}_token": token for name, token in zip(names, XLMR_SPECIAL, strict=True)}
    write_json(folder / "tokenizer_config.json", {**special, "model_max_length": 64})
    return len(words)


def build_splade(
    folder: Path, *, pooling: str = "max", activation: str = "relu", max_active: int | None = None
) -> Path:
    """SPLADE or Granite-sparse, as sentence-transformers itself saves it."""
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder.modules import SpladePooling

    document = _masked_language_model(folder.parent / f"{folder.name}-backbone")
    model = SparseEncoder(
        modules=[document, SpladePooling(pooling, activation_function=activation)],
        max_active_dims=max_active,
        device="cpu",
    )
    model.save(str(folder), create_model_card=False)
    return folder


def build_document_only(folder: Path) -> Path:
    """A router: documents through SPLADE, queries through a table of weights."""
    import torch
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder.modules import (
        Router,
        SparseStaticEmbedding,
        SpladePooling,
    )

    document = _masked_language_model(folder.parent / f"{folder.name}-backbone")
    generator = torch.Generator().manual_seed(3)
    weights = torch.rand(len(vocabulary()), generator=generator)
    weights[:5] = 0
    static = SparseStaticEmbedding(document.tokenizer, weight=weights, frozen=True)
    pooling = SpladePooling("max", activation_function="log1p_relu")
    router = Router.for_query_document([static], [document, pooling])
    SparseEncoder(modules=[router], device="cpu").save(str(folder), create_model_card=False)
    return folder


def _masked_language_model(folder: Path):
    from sentence_transformers.base.modules import Transformer
    from transformers import BertForMaskedLM

    folder.mkdir(parents=True)
    write_tokenizer(folder, Recipe())
    seeded(BertForMaskedLM, small_bert(len(vocabulary()))).save_pretrained(folder)
    return Transformer(str(folder), transformer_task="fill-mask", max_seq_length=64)


MARKERS = ("[unused0]", "[unused1]")


def build_stanford(folder: Path, **metadata: object) -> Path:
    """Stanford's ColBERT: backbone and projection in one file, the rest in artifact.metadata."""
    import torch
    from safetensors.torch import save_file

    model = _late_backbone(folder)
    weights = {f"bert.{name}": tensor for name, tensor in model.state_dict().items()}
    weights["linear.weight"] = _projection(12)
    weights = {name: tensor.contiguous() for name, tensor in weights.items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert torch.is_tensor(weights["linear.weight"])
    change(folder / "config.json", architectures=["HF_ColBERT"])
    stated = {"query_maxlen": 16, "doc_maxlen": 40, "dim": 12, "mask_punctuation": True}
    write_json(folder / "artifact.metadata", {**stated, "attend_to_mask_tokens": False, **metadata})
    return folder


def build_pylate(folder: Path, **library: object) -> Path:
    """PyLate: Transformer and Dense; markers are added tokens that end in a blank."""
    import torch
    from safetensors.torch import save_file
    from tokenizers import AddedToken, Tokenizer

    model = _late_backbone(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens([AddedToken("[Q] "), AddedToken("[D] ")])
    tokenizer.save(str(folder / "tokenizer.json"))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model.resize_token_embeddings(tokenizer.get_vocab_size())
    model.save_pretrained(folder)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 39, "do_lower_case": False})
    write_modules(
        folder,
        [
            ("", "sentence_transformers.models.Transformer"),
            ("1_Dense", "pylate.models.Dense.Dense"),
        ],
    )
    identity = "torch.nn.modules.linear.Identity"
    dense = {"in_features": HIDDEN, "out_features": 12, "bias": False}
    write_json(folder / "1_Dense" / "config.json", {**dense, "activation_function": identity})
    save_file({"linear.weight": _projection(12)}, folder / "1_Dense" / "model.safetensors")
    stated = {"query_prefix": "[Q] ", "document_prefix": "[D] ", "query_length": 16}
    stated |= {"document_length": 40, "attend_to_expansion_tokens": False}
    stated |= {"skiplist_words": list("!.,?"), "do_query_expansion": True, "model_type": "ColBERT"}
    write_json(folder / "config_sentence_transformers.json", {**stated, **library})
    return folder


def build_native(folder: Path, pooling: object = None, **expansion: object) -> Path:
    """A MultiVectorEncoder, as sentence-transformers itself saves it; a pooling ends its chain."""
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
    from torch import nn

    backbone = folder.parent / f"{folder.name}-backbone"
    _late_backbone(backbone).save_pretrained(backbone)
    stated = {"strategy": "fixed", "length": 16, **expansion}
    transformer = Transformer(
        str(backbone), max_seq_length=64, document_length=40, query_expansion=stated
    )
    dense = Dense(
        HIDDEN,
        12,
        bias=False,
        activation_function=nn.Identity(),
        init_weight=_projection(12),
        module_input_name="token_embeddings",
    )
    mask = MultiVectorMask(skiplist_words=list("!.,"), skiplist_tasks=["document", "query"])
    normalise = Normalize(module_input_name="token_embeddings")
    prompts = {"query": f"{MARKERS[0]} ", "document": f"{MARKERS[1]} "}
    modules = [transformer, dense, mask, normalise, *([pooling] if pooling else [])]
    model = MultiVectorEncoder(modules=modules, prompts=prompts, device="cpu")
    model.tokenizer.add_special_tokens({"additional_special_tokens": list(MARKERS)})
    model.save(str(folder), create_model_card=False)
    return folder


def _projection(rows: int):
    import torch

    generator = torch.Generator().manual_seed(4)
    return torch.randn(rows, HIDDEN, generator=generator) / HIDDEN**0.5


def _late_backbone(folder: Path):
    """A BERT in a folder whose vocabulary ends with two markers."""
    from tokenizers import Tokenizer
    from transformers import BertModel

    folder.mkdir(parents=True)
    write_tokenizer(folder, Recipe())
    file = folder / "tokenizer.json"
    stored = json.loads(file.read_text())
    for marker in MARKERS:
        stored["model"]["vocab"][marker] = len(stored["model"]["vocab"])
    file.write_text(json.dumps(stored))
    config = small_bert(Tokenizer.from_file(str(file)).get_vocab_size())
    model = quiet_places(seeded(BertModel, config))
    config.save_pretrained(folder)
    return model
