"""Tiny Japanese BERTs with random weights and a vocabulary of their own, found by MeCab."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from checkpoints import HIDDEN, seeded, small_bert, write_json
from layouts import write_modules

TEXTS = [
    "錨は船を一つの場所に留めておく重い道具である。",
    "小さな錨は、予備の錨として使われることもある。",
    "風下に流されることを偏流という。",
    "船を同じ場所に留めるものは何ですか？",
    "ｱﾝｶｰ と Ａｎｃｈｏｒ は 同じ。",
    "東京都の港[SEP]に、[MASK]が入る。",
    "が",
    "😀 ㈱ 謎の鵺 ÀÉ abc",
    "一行目\n二行目\t三つ目　終わり",
]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", "[unused1]"]


def write_japanese_tokenizer(folder: Path, dictionary: str = "unidic_lite", **settings) -> int:
    """vocab.txt and tokenizer_config.json as cl-tohoku's; returns the size of the vocabulary."""
    import fugashi
    import ipadic
    import unidic_lite

    place = {"ipadic": ipadic, "unidic_lite": unidic_lite}[dictionary].DICDIR
    tagger = fugashi.GenericTagger(f'-d "{place}" -r "{place}/mecabrc"')
    plain = [unicodedata.normalize("NFKC", text) for text in TEXTS[:6]]
    words = [word.surface for text in plain for word in list(tagger(text))[::2]]
    letters = sorted({letter for text in plain for letter in text if not letter.isspace()})
    pieces = [f"##{letter}" for letter in letters]
    vocabulary = list(dict.fromkeys([*SPECIAL, *letters, *words, *pieces]))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    stated = {
        "tokenizer_class": "BertJapaneseTokenizer",
        "model_max_length": 64,
        "do_lower_case": False,
        "word_tokenizer_type": "mecab",
        "subword_tokenizer_type": "wordpiece",
        "mecab_kwargs": {"mecab_dic": dictionary},
    }
    write_json(folder / "tokenizer_config.json", {**stated, **settings})
    return len(vocabulary)


def build_japanese(folder: Path, *, modules: bool = True, added: int = 0, **settings) -> Path:
    """A dense checkpoint; `added` rows stand behind its vocabulary for tokens of the caller's."""
    from transformers import BertModel

    words = write_japanese_tokenizer(folder, **settings)
    seeded(BertModel, small_bert(words + added)).save_pretrained(folder)
    if modules:
        write_json(folder / "sentence_bert_config.json", {"max_seq_length": 64})
        chain = [("", "Transformer"), ("1_Pooling", "Pooling")]
        write_modules(folder, [(p, f"sentence_transformers.models.{kind}") for p, kind in chain])
        stated = {"word_embedding_dimension": HIDDEN, "pooling_mode_mean_tokens": True}
        write_json(folder / "1_Pooling" / "config.json", stated)
    return folder
