"""The ids of a checkpoint's tokens: special ones by their role, any by their text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from trivet.embedding.japanese import SPECIAL as JAPANESE_SPECIAL
from trivet.embedding.japanese import is_japanese, make_tokenizer
from trivet.embedding.readers import kinds
from trivet.embedding.readers.files import read_object_if_there
from trivet.errors import CheckpointError

_SPECIAL = ("cls_token", "eos_token", "pad_token", "unk_token", "mask_token")
# What the tokenizers of XLM-R are called by where no file says it.
_USUAL = {"cls_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}

# A word that a tokenizer is tried on.
PROBE = "anchor"


@contextmanager
def refusing_unreadable(file: Path) -> Iterator[None]:
    """Turn what the tokenizers library raises, panics among it, into an error that names its file.

    Raises:
        CheckpointError: the body raised something.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit, CheckpointError):
        raise
    except BaseException as error:  # it raises plain Exception, and panics, which are none
        raise CheckpointError(
            f"expected a tokenizer in {file}, got a file that cannot be read as one "
            f"({error}): fetch or save the checkpoint anew"
        ) from error


@dataclass(frozen=True)
class TokenTable:
    """The vocabulary of a checkpoint.

    Attributes:
        tokenizer: holds it.
        special: text of each special token by its role, such as "mask_token".
    """

    tokenizer: Tokenizer
    special: Mapping[str, str]

    @classmethod
    def read(cls, folder: Path) -> TokenTable:
        """Read a folder's tokenizer files.

        Raises:
            CheckpointError: one is missing or damaged.
            MissingExtraError: a package that the tokenizer needs is not installed.
        """
        config = read_object_if_there(folder / "tokenizer_config.json", kinds.TOKENIZER)
        stated = {
            **config,
            **read_object_if_there(folder / "special_tokens_map.json", kinds.TOKENIZER),
        }
        special = {role: _text(stated[role]) for role in _SPECIAL if stated.get(role)}
        if is_japanese(folder):
            return cls(make_tokenizer(folder), {**JAPANESE_SPECIAL, **special})
        file = folder / "tokenizer.json"
        with refusing_unreadable(file):
            tokenizer = Tokenizer.from_file(str(file))
            tokenizer.encode(PROBE)
        return cls(tokenizer, special or _USUAL)

    def id_of(self, text: str) -> int | None:
        """The id of a token; None where the vocabulary does not hold it."""
        found: int | None = self.tokenizer.token_to_id(text)
        return found

    def special_id(self, role: str) -> int | None:
        """The id of the token of a role; None where there is none."""
        return self.id_of(self.special[role]) if role in self.special else None


def _text(token: object) -> str:
    return str(token["content"] if isinstance(token, dict) else token)
