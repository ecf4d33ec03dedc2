"""The tokenizer of Japanese BERTs, which finds words with MeCab before it cuts them."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tokenizers import AddedToken, NormalizedString, PreTokenizedString, Tokenizer
from tokenizers.models import WordLevel, WordPiece
from tokenizers.normalizers import NFC, NFD, NFKC, BertNormalizer, Lowercase, StripAccents
from tokenizers.normalizers import Sequence as NormalizerSequence
from tokenizers.pre_tokenizers import BertPreTokenizer, PreTokenizer
from tokenizers.processors import TemplateProcessing

from trivet.embedding.readers import kinds
from trivet.embedding.readers.files import read_object_if_there, whole_number
from trivet.embedding.readers.modules import require_known
from trivet.errors import CheckpointError, MissingExtraError

if TYPE_CHECKING:
    from transformers.models.bert_japanese.tokenization_bert_japanese import MecabTokenizer

SPECIAL: Mapping[str, str] = {
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "mask_token": "[MASK]",
}

_NEEDED = ("cls_token", "sep_token", "unk_token")
_CLASS = "BertJapaneseTokenizer"
_VOCABULARY = "vocab.txt"
_FLAGS = ("lstrip", "rstrip", "normalized", "single_word", "special")
_DECIDING = ("do_lower_case", "word_tokenizer_type", "subword_tokenizer_type", "mecab_kwargs")
# Of the dictionaries that the class knows, the packages that bring them.
_DICTIONARIES = {"unidic_lite": "unidic-lite", "ipadic": "ipadic", "unidic": "unidic"}


class _Words(Protocol):
    def tokenize(self, text: str) -> list[str]: ...


def is_japanese(folder: Path) -> bool:
    """Whether a checkpoint's tokenizer is of this kind, whatever other files lie beside it."""
    files = (folder / name for name in ("tokenizer_config.json", "config.json"))
    return any(
        read_object_if_there(file, kinds.TOKENIZER_CLASS).get("tokenizer_class") == _CLASS
        for file in files
    )


def tokenizer_facts(folder: Path) -> str:
    """All that its tokens depend on, as text: settings, vocabulary, and the dictionary's version.

    Raises:
        CheckpointError: a file is missing or damaged.
        MissingExtraError: MeCab or its dictionary is not installed.
    """
    settings = _settings(folder)
    facts = {key: settings[key] for key in _DECIDING if settings.get(key) is not None}
    words = _find_words(settings, folder)
    facts["dictionary"] = None if words is None else _dictionary_version(settings)
    facts["added"] = [
        [number, *sorted(flags.items())] for number, flags in _added(settings, folder)
    ]
    facts["vocabulary"] = _read_vocabulary(folder)
    facts["special"] = _special(settings)
    return json.dumps(facts, sort_keys=True, ensure_ascii=True)


def make_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a folder whose class is transformers' BertJapaneseTokenizer.

    Raises:
        CheckpointError: a file is missing or damaged, or a setting is not known.
        MissingExtraError: MeCab or its dictionary is not installed.
    """
    settings = _settings(folder)
    special = _special(settings)
    vocabulary = _read_vocabulary(folder)
    missing = [special[role] for role in _NEEDED if special[role] not in vocabulary]
    if missing:
        raise CheckpointError(
            f"expected {missing[0]!r} among the words of {folder / _VOCABULARY}, got none: fetch "
            "the checkpoint anew"
        )
    by_character = settings.get("subword_tokenizer_type", "wordpiece") == "character"
    unknown = special["unk_token"]
    kind = WordLevel if by_character else WordPiece
    model = kind(vocabulary, unk_token=unknown)
    tokenizer = Tokenizer(model)
    words = _find_words(settings, folder)
    lower = bool(settings.get("do_lower_case"))
    if words is None:
        tokenizer.normalizer = _basic_normalizer(lower=lower)
        tokenizer.pre_tokenizer = BertPreTokenizer()
    else:
        tokenizer.normalizer = NFKC()
        tokenizer.pre_tokenizer = PreTokenizer.custom(
            _WordFinder(words, lower=lower, by_character=by_character)
        )
    tokenizer.add_special_tokens(list(dict.fromkeys(special.values())))
    _add_tokens(tokenizer, settings, folder)
    ends = [special["cls_token"], special["sep_token"]]
    tokenizer.post_processor = TemplateProcessing(
        single=f"{ends[0]} $A {ends[1]}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ends],
    )
    return tokenizer


class _WordFinder:
    """Cuts a text where MeCab finds words, by the protocol of the tokenizers library."""

    def __init__(self, words: _Words, *, lower: bool, by_character: bool) -> None:
        self._words = words
        self._lower = lower
        self._by_character = by_character
        # MeCab hands out words that point into its last answer.
        self._lock = threading.Lock()

    def pre_tokenize(self, text: PreTokenizedString) -> None:
        """Cut a text into words."""
        text.split(self._split)

    def _split(self, _: int, text: NormalizedString) -> list[NormalizedString]:
        whole = str(text)
        with self._lock:
            found = self._words.tokenize(whole)
        pieces: list[NormalizedString] = []
        end = 0
        for word in found:
            start = whole.index(word, end)
            end = start + len(word)
            step = 1 if self._by_character else len(word)
            cut = (text[at : at + step] for at in range(start, end, step))
            pieces += [piece for piece in cut if piece is not None]
        if self._lower:
            for piece in pieces:
                piece.lowercase()
        return pieces


def _settings(folder: Path) -> dict[str, Any]:
    settings = read_object_if_there(folder / "tokenizer_config.json", kinds.TOKENIZER)
    settings |= read_object_if_there(folder / "special_tokens_map.json", kinds.TOKENIZER)
    file = folder / "tokenizer_config.json"
    words, pieces = (settings.get(f"{kind}word_tokenizer_type") for kind in ("", "sub"))
    require_known("word_tokenizer_type", words, (None, "basic", "mecab"), file)
    require_known("subword_tokenizer_type", pieces, (None, "wordpiece", "character"), file)
    for key in ("do_word_tokenize", "do_subword_tokenize"):
        require_known(key, settings.get(key, True), (True,), file)
    normalised = (settings.get("mecab_kwargs") or {}).get("normalize_text", True)
    require_known("normalize_text", normalised, (True,), file)
    require_known("never_split", settings.get("never_split") or None, (None,), file)
    return settings


def _read_vocabulary(folder: Path) -> dict[str, int]:
    file = folder / _VOCABULARY
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"expected the words of the tokenizer in {file}, got {error}: fetch the checkpoint anew"
        ) from error
    if lines and not lines[-1]:
        lines.pop()
    return {word: number for number, word in enumerate(lines)}


def _find_words(settings: Mapping[str, Any], folder: Path) -> MecabTokenizer | None:
    """MeCab as the checkpoint wants it; None where words are found without."""
    if settings.get("word_tokenizer_type", "basic") != "mecab":
        return None
    # The door to transformers, whose class knows the dictionaries.
    from transformers.models.bert_japanese.tokenization_bert_japanese import MecabTokenizer

    try:
        return MecabTokenizer(**(settings.get("mecab_kwargs") or {}))
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"expected MeCab and its dictionary for the Japanese tokenizer of {folder}, got: "
            f'{error} run pip install "trivet[ja]"'
        ) from error
    except Exception as error:  # fugashi raises what MeCab says
        raise CheckpointError(
            f"expected mecab_kwargs that MeCab takes in {folder / 'tokenizer_config.json'}, got "
            f"{type(error).__name__} ({error}): fetch the checkpoint anew"
        ) from error


def _dictionary_version(settings: Mapping[str, Any]) -> str | None:
    name = (settings.get("mecab_kwargs") or {}).get("mecab_dic", "unidic_lite")
    try:
        return f"{name} {version(_DICTIONARIES[name])}"
    except (KeyError, PackageNotFoundError):  # one that the system has
        return None


def _basic_normalizer(*, lower: bool) -> NormalizerSequence:
    clean = BertNormalizer(
        clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False
    )
    lowered = [Lowercase(), NFD(), StripAccents()] if lower else []
    return NormalizerSequence([clean, NFC(), *lowered])


def _special(settings: Mapping[str, Any]) -> dict[str, str]:
    """The text of each special token by its role."""
    return {role: _text(settings.get(role) or token) for role, token in SPECIAL.items()}


def _added(settings: Mapping[str, Any], folder: Path) -> list[tuple[int, dict[str, Any]]]:
    """Tokens that were added to the vocabulary: their numbers, and what is said of each."""
    stored: dict[Any, Any] = settings.get("added_tokens_decoder") or {}
    if not stored:
        file = folder / "added_tokens.json"
        texts = read_object_if_there(file, kinds.ADDED_TOKENS)
        stored = {whole_number(texts, (text,), file): {"content": text} for text in texts}
    return sorted((int(number), dict(token)) for number, token in stored.items())


def _add_tokens(tokenizer: Tokenizer, settings: Mapping[str, Any], folder: Path) -> None:
    for number, token in _added(settings, folder):
        text = token["content"]
        flags = {flag: bool(token[flag]) for flag in _FLAGS if flag in token}
        tokenizer.add_tokens([AddedToken(text, **flags)])
        if tokenizer.token_to_id(text) != number:
            raise CheckpointError(
                f"expected the added token {text!r} at number {number} in {folder}, got "
                f"{tokenizer.token_to_id(text)}: fetch the checkpoint anew"
            )


def _text(token: object) -> str:
    return str(token["content"] if isinstance(token, dict) else token)
