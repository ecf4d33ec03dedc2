"""Tiny checkpoints with random weights, in the layouts that sentence-transformers reads."""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import BertConfig

PROSE = """
the a an of in on at to for from by with and or not is are was were be been has have had do does
it its this that these those there here as but if then so than when where why how what which who
he she they we you i his her their our your all any both each few more most other some such no
anchor anchors boat boats ship ships sail sails wind water sea harbor harbour river lake storm
wave waves tide current drift drifts leeway kedge rope chain mast deck crew captain port starboard
light heavy small large big long short high low deep fast slow strong weak old new good bad hot
cold warm dry wet red blue green black white north south east west left right up down over under
day night time year month week hour minute second morning evening summer winter spring autumn
cat cats dog dogs bird birds fish horse tree trees flower grass leaf leaves root stone sand earth
fire air metal iron gold silver glass wood paper cloth food bread milk salt sugar fruit apple
house room door window wall roof floor table chair bed street road bridge city town village
man woman child children friend family mother father king queen doctor teacher student people
book books word words letter page story question answer number name list map picture music song
work play run walk talk read write see hear find keep hold make take give go come stay turn move
stop start open close cut build break grow eat drink sleep learn teach know think feel want need
computer program language model vector vectors search index query document documents chunk token
data file table key value memory disk network server client engine system design test error
pressure heat flow layer boundary body wing speed supersonic shock surface plate theory method
problem solution result experiment measure energy power force mass weight length area volume
disease patient treatment drug cell blood heart brain bone skin symptom cause risk health
first last next one two three four five six seven eight nine ten hundred thousand half part whole
kept keeps holds place places sideways called means used using made into onto between about
"""
WORDS = PROSE.split()
SUFFIXES = ["s", "es", "ed", "ing", "ly", "er", "est", "tion", "ness", "ment", "able", "al"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
HIDDEN = 32


@dataclass(frozen=True)
class Recipe:
    """What makes one tiny checkpoint differ from another."""

    seed: int = 0
    pooling: tuple[str, ...] = ("mean",)
    include_prompt: bool = True
    old_style: bool = False
    dense: tuple[int, ...] = ()
    activation: str = "Tanh"
    bias: bool = True
    pickled: bool = False
    normalise: bool = True
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    lower_case: bool = False
    cased: bool = False
    truncate_dim: int | None = None
    max_tokens: int | None = 64
    bare: bool = False


def build_checkpoint(folder: Path, recipe: Recipe | None = None) -> Path:
    """Write a checkpoint into a folder, which is made, and return the folder."""
    recipe = recipe or Recipe()
    # The backbone lies in a folder of its own in checkpoints of the first versions.
    backbone = folder / "0_Transformer" if recipe.old_style else folder
    backbone.mkdir(parents=True)
    write_tokenizer(backbone, recipe)
    _write_backbone(backbone, recipe)
    if not recipe.bare:
        _write_modules(folder, backbone, recipe)
    return folder


def vocabulary() -> list[str]:
    letters = string.ascii_lowercase + string.digits
    pieces = [f"##{piece}" for piece in [*letters, *SUFFIXES]]
    return list(dict.fromkeys([*SPECIAL, *letters, *string.punctuation, *WORDS, *pieces]))


def write_json(file: Path, value: object) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(value), encoding="utf-8")


def write_tokenizer(folder: Path, recipe: Recipe) -> None:
    from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors
    from tokenizers.models import WordPiece

    words = {word: number for number, word in enumerate(vocabulary())}
    tokenizer = Tokenizer(WordPiece(words, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=not recipe.cased)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.add_special_tokens(SPECIAL)
    # The state that a former use leaves behind, as in the packaged all-MiniLM-L6-v2.
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(length=16)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = ("pad", "unk", "cls", "sep", "mask")
    config = {f"{name}_token": token for name, token in zip(names, SPECIAL, strict=True)}
    config |= {"tokenizer_class": "BertTokenizer", "do_lower_case": not recipe.cased}
    write_json(folder / "tokenizer_config.json", {**config, "model_max_length": 512})


def small_bert(words: int) -> BertConfig:
    """How the tiny backbones are built: of BERT's kind, with a vocabulary of so many words."""
    from transformers import BertConfig

    return BertConfig(
        vocab_size=words,
        hidden_size=HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.2,
    )


def seeded(kind: Callable[..., Any], *facts: object, seed: int = 0) -> Any:
    """A module whose weights are the same in every run."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return kind(*facts).eval()


def quiet_places(model: Any) -> Any:
    """The model, made to hear words more than places: like texts are near."""
    import torch

    with torch.no_grad():
        model.embeddings.position_embeddings.weight *= 0.2
        model.embeddings.token_type_embeddings.weight *= 0.2
    return model


def _write_backbone(folder: Path, recipe: Recipe) -> None:
    import torch
    from transformers import BertModel

    model = quiet_places(seeded(BertModel, small_bert(len(vocabulary())), seed=recipe.seed))
    model.save_pretrained(folder)
    if recipe.pickled:
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()


def _write_modules(folder: Path, backbone: Path, recipe: Recipe) -> None:
    transformer = {"max_seq_length": recipe.max_tokens, "do_lower_case": recipe.lower_case}
    stated = {name: value for name, value in transformer.items() if value is not None}
    write_json(backbone / "sentence_bert_config.json", stated)
    chain = [("Transformer", backbone.name if recipe.old_style else "")]
    write_json(folder / "1_Pooling" / "config.json", _pooling_config(recipe))
    chain.append(("Pooling", "1_Pooling"))
    came = HIDDEN * len(recipe.pooling)
    for dims in recipe.dense:
        name = f"{len(chain)}_Dense"
        _write_dense(folder / name, came, dims, recipe)
        chain.append(("Dense", name))
        came = dims
    if recipe.normalise:
        chain.append(("Normalize", f"{len(chain)}_Normalize"))
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": _module_type(kind, recipe)}
        for number, (kind, path) in enumerate(chain)
    ]
    write_json(folder / "modules.json", modules)
    library = {"prompts": dict(recipe.prompts), "default_prompt_name": recipe.default_prompt}
    if recipe.truncate_dim is not None:
        library["truncate_dim"] = recipe.truncate_dim
    write_json(folder / "config_sentence_transformers.json", library)


def _module_type(kind: str, recipe: Recipe) -> str:
    if recipe.old_style:
        return f"sentence_transformers.models.{kind}"
    package = "sentence_transformer" if kind == "Pooling" else "base"
    return f"sentence_transformers.{package}.modules.{kind.lower()}.{kind}"


def _pooling_config(recipe: Recipe) -> dict[str, object]:
    if recipe.old_style:
        names = {
            "cls": "cls_token",
            "max": "max_tokens",
            "mean": "mean_tokens",
            "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
            "weightedmean": "weightedmean_tokens",
            "lasttoken": "lasttoken",
        }
        switches = {f"pooling_mode_{n}": mode in recipe.pooling for mode, n in names.items()}
        return {"word_embedding_dimension": HIDDEN, **switches}
    modes = recipe.pooling[0] if len(recipe.pooling) == 1 else list(recipe.pooling)
    return {
        "embedding_dimension": HIDDEN,
        "pooling_mode": modes,
        "include_prompt": recipe.include_prompt,
    }


def _write_dense(folder: Path, came: int, dims: int, recipe: Recipe) -> None:
    import torch
    from safetensors.torch import save_file

    module = "linear" if recipe.activation == "Identity" else "activation"
    config = {
        "in_features": came,
        "out_features": dims,
        "bias": recipe.bias,
        "activation_function": f"torch.nn.modules.{module}.{recipe.activation}",
    }
    write_json(folder / "config.json", config)
    generator = torch.Generator().manual_seed(recipe.seed + dims)
    weights = {"linear.weight": torch.randn(dims, came, generator=generator) / came**0.5}
    if recipe.bias:
        weights["linear.bias"] = torch.randn(dims, generator=generator)
    if recipe.pickled:
        torch.save(weights, folder / "pytorch_model.bin")
    else:
        save_file(weights, folder / "model.safetensors")
