"""What `trivet search` prints, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

import trivet


def test_search_shows_rank_score_id_legs_and_text(trivet_run, indexed):
    result = trivet_run("search", "sideways drift", "--index", indexed)
    assert result.code == 0
    assert result.err == ""
    lines = result.out.splitlines()
    assert " 1  " in lines[0]
    assert "leeway.txt  dense " in lines[0]
    assert " + sparse " in lines[0]
    assert lines[1] == "    Leeway is sideways drift."


def test_search_prints_json_and_nothing_else(trivet_run, indexed):
    result = trivet_run("search", "tide", "--index", indexed, "-k", 2, "--json")
    with trivet.open(indexed) as index:
        expected = index.search("tide", k=2)
    hits = json.loads(result.out)
    assert [list(hit) for hit in hits] == [list(asdict(hit)) for hit in expected]
    for came, hit in zip(hits, expected, strict=True):
        # A model that is loaded anew sums in another order.
        assert came.pop("score") == pytest.approx(hit.score, abs=1e-6)
        assert came.pop("scores") == pytest.approx(hit.scores, abs=1e-6)
        assert came == {
            "id": hit.id,
            "text": hit.text,
            "metadata": hit.metadata,
            "span": list(hit.span),
            "tenant": None,
            "document": hit.document,
        }


def test_search_with_one_leg(trivet_run, indexed):
    result = trivet_run("search", "kedge", "--index", indexed, "--mode", "sparse", "--json")
    assert [list(hit["scores"]) for hit in json.loads(result.out)] == [["sparse"]]


def test_search_without_hits(trivet_run, indexed):
    result = trivet_run("search", "zzz", "--index", indexed, "--mode", "sparse")
    assert (result.code, result.out) == (0, "no hits\n")


def test_texts_cannot_steer_the_terminal_or_the_markup(trivet_run, tiny_model, tmp_path):
    evil = {
        "text": "anchor \x1b[31mred\x07 \x9b2J \u202etxt [bold]kept[/bold] :smile:",
        "id": "[red]\x1b]0;x",
    }
    (tmp_path / "rows.jsonl").write_text(json.dumps(evil) + "\n")
    folder = tmp_path / "index"
    trivet_run("index", tmp_path / "rows.jsonl", "--index", folder, "--model", tiny_model)
    shown = trivet_run("search", "anchor", "--index", folder)
    assert not set("\x1b\x07\x9b\u202e") & set(shown.out)
    assert "[red]\ufffd]0;x" in shown.out
    assert "[bold]kept[/bold] :smile:" in shown.out
    as_json = trivet_run("search", "anchor", "--index", folder, "--json")
    assert as_json.out.isascii()
    assert json.loads(as_json.out)[0]["text"] == evil["text"]
