"""The report of an upgrade as a page, and the commands of the shell."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from html.parser import HTMLParser

from trivet.drift.gates import Judgement
from trivet.drift.intervals import Estimate
from trivet.index.upgrade.values import Change, Numbers, UpgradeReport

EVIL = '<script>alert("x")</script> & "quotes"'


class Page(HTMLParser):
    """What a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.pages: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.pages += [value or "" for name, value in attrs if name == "srcdoc"]
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def _report() -> UpgradeReport:
    number = Estimate(0.512, 0.401, 0.623, 80)
    numbers = Numbers(None, number, number, number)
    few = Numbers(None, number, number, replace(number, n=1))
    return UpgradeReport(
        aim="gain",
        known_item=numbers,
        judged=few,
        overlap={"query": number, "translate": number},
        retention={},
        unmapped=Estimate(0.333, 0.222, 0.444, 80),
        verdicts={"query": Judgement("REVIEW", (EVIL,)), "translate": Judgement("PASS", ("good",))},
        models=(EVIL, "new"),
        changes=(Change(EVIL, EVIL, EVIL),),
    )


def _page() -> Page:
    page = Page()
    page.feed(_report().to_html())
    return page


def test_texts_of_documents_are_text_and_nothing_else() -> None:
    page = _page()
    assert "script" not in page.tags
    assert page.text.count(EVIL) == 6


def test_the_page_needs_nothing_from_elsewhere() -> None:
    page = _page()
    assert page.links == []
    assert not {"link", "img", "iframe", "script"} & set(page.tags)


def test_a_notebook_shows_the_page_in_a_frame_of_its_own() -> None:
    frame = Page()
    frame.feed(_report()._repr_html_())
    assert frame.tags == ["iframe"]
    assert frame.pages == [_report().to_html()]


def test_numbers_are_drawn_with_their_intervals() -> None:
    page = _page()
    assert page.text.count("0.512 [0.401, 0.623]") == 8
    assert page.tags.count("svg") == 3
    assert "overlap, queries without a map0.333 [0.222, 0.444]" in page.text
    assert page.tags.count("rect") == 9  # none of the old model, which was not at hand
    assert "The old model is not at hand" in page.text


def test_how_many_queries_a_number_rests_on_is_told() -> None:
    page = _page()
    assert "80 spans of documents" in page.text
    assert "1 of your own" in page.text


def test_the_report_is_json_where_the_old_model_found_nothing() -> None:
    nothing = Estimate(math.inf, 0.0, math.inf, 80)
    report = replace(_report(), retention={"query": nothing})
    shown = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert shown["retention"]["query"] == {"value": None, "low": 0.0, "high": None, "n": 80}
    assert shown["overlap"]["query"]["value"] == 0.512
