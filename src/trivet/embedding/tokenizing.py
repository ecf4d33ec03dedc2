"""Texts become token ids, by a tokenizer that nobody else can switch to padding or cutting."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import takewhile

from tokenizers import Encoding, Tokenizer
from tokenizers.normalizers import Lowercase
from tokenizers.normalizers import Sequence as NormalizerSequence

from trivet.embedding.eos import with_eos
from trivet.embedding.japanese import is_japanese, make_tokenizer, tokenizer_facts
from trivet.embedding.prompts import Rendered
from trivet.embedding.readers.tokens import PROBE, refusing_unreadable
from trivet.embedding.spec import EncoderSpec
from trivet.errors import CheckpointError, InstructionError, TextTooLongError

# What a saved tokenizer.json remembers of its last use; we neither pad nor cut by it.
STATE_KEYS = ("truncation", "padding")
# The length that an over-long text is cut to when its last token is looked at.
_PROBE_TOKENS = 16


@dataclass(frozen=True)
class TokenisedText:
    """A text as the model reads it.

    Attributes:
        ids: token ids, special ones included.
        attended: how many of the first ids are seen by the others; those behind fill up a query.
        skip: how many of the first ids belong to a prompt that stays out of the pooling.
        source: the text itself, for modules that cut it into tokens themselves.
    """

    ids: list[int]
    attended: int
    skip: int = 0
    source: Rendered | None = None


@dataclass(frozen=True)
class TextTokenizer:
    """A checkpoint's tokenizer, without padding or truncation.

    Attributes:
        make: makes another like it.
        tokenizer: ours alone: nobody else holds this object.
        sha256: of its file, less the state that a former use left in it.
        max_tokens: the most tokens of one text, special tokens included.
    """

    make: Callable[[], Tokenizer]
    tokenizer: Tokenizer
    sha256: str
    max_tokens: int

    @classmethod
    def read(cls, spec: EncoderSpec) -> TextTokenizer:
        """Read a checkpoint's tokenizer.

        Raises:
            CheckpointError: its files cannot be read as a tokenizer.
            MissingExtraError: a package that it needs is not installed.
        """
        if is_japanese(spec.folder):
            facts, make = tokenizer_facts(spec.folder), partial(make_tokenizer, spec.folder)
        else:
            facts = cls._settings(spec)
            make = partial(Tokenizer.from_str, facts)
        made_by = partial(_lower_cased, make) if spec.lower_case else make
        sha256 = hashlib.sha256(facts.encode()).hexdigest()
        made = cls(made_by, made_by(), sha256, spec.max_tokens)
        if spec.eos is not None:
            made._require_last(spec.eos)
        return made

    @staticmethod
    def _settings(spec: EncoderSpec) -> str:
        """The content of tokenizer.json, which can be read as a tokenizer."""
        with refusing_unreadable(spec.tokenizer_file):
            stored = json.loads(spec.tokenizer_file.read_bytes())
            settings = {name: value for name, value in stored.items() if name not in STATE_KEYS}
            if spec.eos is not None:
                settings = with_eos(settings, spec.eos, spec.tokenizer_file)
            text = json.dumps(settings, sort_keys=True)
            Tokenizer.from_str(text).encode(PROBE)
        return text

    def copy(self) -> Tokenizer:
        """A tokenizer of the caller's own, whose changes do not reach ours."""
        return self.make()

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens included."""
        return [len(encoding.ids) for encoding in self._encode(texts)]

    def token_ids(
        self, texts: Sequence[Rendered], *, truncate: bool, limit: int | None = None, room: int = 0
    ) -> list[list[int]]:
        """The ids of each text, special tokens included.

        Args:
            texts: n texts, each with what is written around it.
            truncate: whether a text that is too long is cut at its end; prefix and suffix stay.
            limit: the most tokens of a text; None = `max_tokens`.
            room: tokens of those that the caller puts in afterwards.

        Raises:
            TextTooLongError: a text is longer than the model reads and `truncate` is False.
            InstructionError: what is written around a text leaves no room for it.
        """
        limit = self.max_tokens if limit is None else limit
        ids = []
        for position, encoding in enumerate(self._encode([text.whole for text in texts])):
            count = len(encoding.ids) + room
            if count <= limit:
                ids.append(encoding.ids)
                continue
            cut = self._cut(texts[position], limit - room)
            if not truncate:
                raise TextTooLongError(
                    f"expected texts of at most {limit} tokens, got {count} "
                    f"at position {position}: split it, or pass truncate=True to cut it"
                )
            ids.append(cut)
        return ids

    def ids_of(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, however long, special tokens included."""
        return [encoding.ids for encoding in self._encode(texts)]

    @cached_property
    def special_ends(self) -> tuple[int, int]:
        """How many special tokens the tokenizer puts before and behind every text."""
        (encoding,) = self._encode(["a"])
        special = encoding.special_tokens_mask
        if 0 not in special:  # a tokenizer that knows no letters
            return len(special), 0
        return special.index(0), special[::-1].index(0)

    def prompt_tokens(self, text: Rendered) -> int:
        """Tokens at the start of a text that hold nothing of it but its prompt; 0 for no prompt.

        They are counted in the whole, since the blank that ends a prompt is often a part of the
        first word's token.
        """
        if not text.before:
            return 0
        encoding = self.tokenizer.encode(text.whole)
        places = zip(encoding.offsets, encoding.special_tokens_mask, strict=True)
        belongs = (special or end <= len(text.before) for (_, end), special in places)
        count = sum(1 for _ in takewhile(bool, belongs))
        return min(count, len(encoding.ids) - self.special_ends[1])

    def _require_last(self, eos: str) -> None:
        """Refuse a tokenizer that does not end a short and an over-long text with a token."""
        probes = [Rendered("", "anchor"), Rendered("", "anchor " * 2 * _PROBE_TOKENS)]
        limit = min(self.max_tokens, _PROBE_TOKENS)
        for ids in self.token_ids(probes, truncate=True, limit=limit):
            if ids[-1] != self.tokenizer.token_to_id(eos):
                raise CheckpointError(
                    f"expected {eos!r} at the end of every text, got "
                    f"{self.tokenizer.id_to_token(ids[-1])!r}: correct the profile or the tokenizer"
                )

    def _cut(self, text: Rendered, limit: int) -> list[int]:
        """`limit` ids: the text loses its end; what is around it and special tokens stay."""
        encoding = self.tokenizer.encode(text.whole)
        special = encoding.special_tokens_mask
        start, end = special.index(0), len(special) - special[::-1].index(0)
        text_end = len(text.before) + len(text.text)
        places = encoding.offsets
        while start < end and places[start][1] <= len(text.before):
            start += 1
        while end > start and text.after and places[end - 1][1] > text_end:
            end -= 1
        kept = end - (len(encoding.ids) - limit)
        if kept <= start and text.whole != text.text:
            raise InstructionError(
                f"expected prompt, instruction, examples and title to leave room for a text in "
                f"{limit} tokens, got {len(encoding.ids) - (end - start)} tokens without it: "
                "shorten them"
            )
        return encoding.ids[:kept] + encoding.ids[end:]

    def _encode(self, texts: Sequence[str]) -> list[Encoding]:
        return self.tokenizer.encode_batch_fast(list(texts))


def _lower_cased(make: Callable[[], Tokenizer]) -> Tokenizer:
    tokenizer = make()
    stages = [Lowercase()]
    if tokenizer.normalizer is not None:
        stages.append(tokenizer.normalizer)
    tokenizer.normalizer = NormalizerSequence(stages)
    return tokenizer
