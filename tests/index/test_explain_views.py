"""Explanations as people see them: everything is shown, and nothing of a text is run."""

from __future__ import annotations

from html.parser import HTMLParser

import trivet

TEXTS = [
    "a kedge is a light anchor", "the anchor holds the boat in the storm",
    "sails drive the boat with the wind", "bread and milk are food",
    "the wind is strong in winter", "a heavy anchor and a light anchor and a chain",
    "the harbour is calm and the boats are old", "a horse eats grass and sugar",
]  # fmt: skip


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.open.append(tag)
        self.names.add(tag)
        assert not [name for name, _ in attrs if name in ("src", "href") or name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_views_show_everything_and_run_nothing(open_index) -> None:
    index = open_index(modes=["dense", "sparse", "multi"])
    text = "<script>alert('anchor')</script> & a \"light\" anchor\nin the boat"
    index.add([text], ids=["<b>x</b>"])
    why = index.explain("light <i>anchor</i>", "<b>x</b>")
    page = why._repr_html_()
    seen = _Tags()
    seen.feed(page)
    assert seen.open == []
    assert seen.names <= {
        "style",
        "div",
        "h4",
        "p",
        "table",
        "tr",
        "th",
        "td",
        "span",
        "mark",
        "bdi",
    }
    assert text in "".join(seen.words)
    assert "url(" not in page
    assert "@import" not in page
    shown = str(why)
    assert shown.splitlines()[0].startswith(f"<b>x</b>  {why.score:.4f}")
    assert "anchor" in shown
    for leg in why.legs:
        assert f"{leg.contribution:+.4f}" in shown
        assert f"{leg.contribution:+.4f}" in page


def test_words_written_from_the_right_turn_nothing_beside_them(tiny_embedder) -> None:
    index = trivet.open(":memory:", model=tiny_embedder, modes=["dense", "sparse", "multi"])
    hebrew = "\u05e9\u05dc\u05d5\u05dd"
    index.add([f"{hebrew} anchor"], ids=[hebrew])
    page = index.explain(f"anchor {hebrew}", hebrew)._repr_html_()
    assert f"<h4><bdi>{hebrew}</bdi> " in page
    assert f"<bdi>anchor {hebrew}</bdi>" in page
    assert f"<td><bdi>{hebrew}</bdi></td>" in page  # the term
    assert "<div class='text' dir='auto'>" in page


def test_the_chunk_of_a_long_document_is_told_with_its_place(tiny_embedder) -> None:
    index = trivet.open(":memory:", model=tiny_embedder, modes=["sparse"])
    index.add([" ".join(TEXTS * 4)], ids=["long\nid"])
    why = index.explain("a horse eats sugar", "long\nid")
    start, end = why.span
    assert f"text [{start}:{end}]: " in str(why)
    assert str(why).startswith("long id  ")
    assert f"characters {start}:{end} of the document" in why._repr_html_()


def test_a_word_without_an_end_takes_no_more_than_its_place(tiny_embedder) -> None:
    index = trivet.open(":memory:", model=tiny_embedder, modes=["dense", "sparse", "multi"])
    word = "kedge" + "x" * 3000
    index.add([f"the {word} anchor"], ids=["a"])
    why = index.explain(word, "a")
    assert why.leg("sparse").terms[0].term == word
    *before, text = str(why).splitlines()[1:]
    assert word in text
    assert max(map(len, before)) < 120
    head, page = why._repr_html_().split("its own score")
    assert page.count(word) == 1  # the chunk itself
    assert "overflow-wrap:anywhere" in head
