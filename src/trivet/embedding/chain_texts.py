"""How the modules of a chain count tokens, as tokenizers of our own."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerBase

from trivet.embedding.chain import input_module
from trivet.embedding.japanese import is_japanese, make_tokenizer
from trivet.embedding.prompts import Role
from trivet.embedding.tokenizing import STATE_KEYS, TextTokenizer
from trivet.errors import CheckpointError

# The window of modules that name none, such as a mean of static vectors.
UNLIMITED = 1_000_000


def text_tokenizer(model: SentenceTransformer, role: Role, folder: Path) -> TextTokenizer:
    """What counts the tokens of a role's texts.

    Modules that cut texts into words have no tokenizer of the tokenizers library: for them words
    are counted, of which they read the ones that they know.

    Args:
        model: the chain.
        role: of the texts.
        folder: of the checkpoint.

    Raises:
        CheckpointError: a tokenizer that knows no words, or one of an unknown kind.
    """
    module = input_module(model, role)
    tokenizer = getattr(module, "tokenizer", None)
    tokenizer = getattr(tokenizer, "tokenizer", tokenizer)  # out of its wrapper, if it has one
    limits = (getattr(module, name, None) for name in ("max_seq_length", f"{role}_length"))
    limit = min([int(min(n, UNLIMITED)) for n in limits if n is not None], default=UNLIMITED)
    make = _maker(tokenizer, folder)
    # Its files are summed with the weights, so no sum of its own has to tell it apart.
    return TextTokenizer(make, make(), "with the weights", limit)


def _maker(tokenizer: object, folder: Path) -> Callable[[], Tokenizer]:
    if isinstance(tokenizer, Tokenizer):
        settings = _settings(tokenizer)
        settings["post_processor"] = None  # its module asks for no special tokens
        return partial(Tokenizer.from_str, json.dumps(settings))
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        return _words
    fast = getattr(tokenizer, "backend_tokenizer", None)
    if isinstance(fast, Tokenizer):
        # transformers makes an empty one, without a word, where it finds no file.
        if set(fast.get_vocab(with_added_tokens=False)) <= set(tokenizer.all_special_tokens):
            raise CheckpointError(
                f"expected a tokenizer that knows words in {folder}, got one of special tokens "
                "alone: fetch the checkpoint anew"
            )
        return partial(Tokenizer.from_str, json.dumps(_settings(fast)))
    for file in sorted(folder.rglob("tokenizer_config.json")):
        if is_japanese(file.parent):
            return partial(make_tokenizer, file.parent)
    raise CheckpointError(
        f"expected a tokenizer that transformers reads as a fast one in {folder}, got "
        f"{type(tokenizer).__name__}: save it as a fast one, or choose another model"
    )


def _settings(tokenizer: Tokenizer) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(tokenizer.to_str())
    return {name: value for name, value in settings.items() if name not in STATE_KEYS}


def _words() -> Tokenizer:
    words = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    words.pre_tokenizer = WhitespaceSplit()
    return words
