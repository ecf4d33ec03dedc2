"""The guide is true: its blocks run from top to bottom; the README's figures are those measured."""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# The row of the README's table, and the figure of `benchmarks/plans.py` that it tells.
ROWS = {
    "`trivet.open` as it comes": "macro: default, compact",
    "two legs": "macro: hybrid2",
    "reciprocal rank fusion": "macro: rrf",
    "BM25 alone": "macro: BM25",
    "dense vectors alone": "macro: dense",
}


@pytest.mark.model
def test_blocks_print_what_the_guide_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "guide.md").read_text("utf-8")
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", page, re.M | re.S)
    assert page.count("\n```") == 2 * len(blocks)
    names: dict[str, object] = {"__name__": "guide"}
    for (language, code), (following, expected) in zip(
        blocks, [*blocks[1:], ("", "")], strict=True
    ):
        if language != "python":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "guide.md", "exec"), names)
        assert printed.getvalue() == (expected if following == "text" else "")


def test_links_of_the_guide_lead_somewhere() -> None:
    page = (ROOT / "docs" / "guide.md").read_text("utf-8")
    readme = (ROOT / "README.md").read_text("utf-8")
    anchors = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", readme, re.M)
    }
    links = re.findall(r"\]\((\.\./[^)]+)\)", page)
    assert links
    for link in links:
        file, _, anchor = link.partition("#")
        assert (ROOT / "docs" / file).exists(), link
        assert not anchor or anchor in anchors, link


@pytest.mark.parametrize(("row", "figure"), ROWS.items())
def test_the_readme_tells_figures_as_they_were_measured(row: str, figure: str) -> None:
    written = json.loads((ROOT / "benchmarks" / "results" / "plans.json").read_text("utf-8"))
    [measured] = [each["measured"] for each in written["figures"] if each["what"] == figure]
    readme = (ROOT / "README.md").read_text("utf-8")
    [told] = re.findall(rf"^\| {re.escape(row)}.*\| (0\.\d+) \|$", readme, re.M)
    # Another machine's last bits may move the third digit.
    assert float(told) == pytest.approx(measured, abs=0.002)
