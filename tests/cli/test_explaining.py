"""`trivet explain`: what it prints and writes."""

from __future__ import annotations

import json

import pytest

QUERY = "a light anchor"


def test_explain_prints_the_parts_of_a_score(trivet_run, indexed, tmp_path):
    page = tmp_path / "why.html"
    result = trivet_run("explain", QUERY, "kedge.md", "--index", indexed, "--html", page)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].startswith("kedge.md  ")
    assert any(line.startswith("terms: ") and "anchor" in line for line in lines)
    assert lines[-1].startswith("text [0:")
    written = page.read_text("utf-8")
    assert written.startswith("<!doctype html>")
    assert '<meta charset="utf-8">' in written
    assert "<bdi>kedge.md</bdi>" in written


def test_explain_prints_json_whose_parts_are_the_score_of_search(trivet_run, indexed):
    found = trivet_run("search", QUERY, "--index", indexed, "--json")
    score = {hit["id"]: hit["score"] for hit in json.loads(found.out)}["kedge.md"]
    result = trivet_run("explain", QUERY, "kedge.md", "--index", indexed, "--json")
    why = json.loads(result.out)
    assert why["score"] == pytest.approx(score, abs=1e-4)
    assert sum(leg["contribution"] for leg in why["legs"]) == pytest.approx(score, abs=1e-4)
    only = trivet_run(
        "explain", QUERY, "kedge.md", "--index", indexed, "--mode", "sparse", "--json"
    )
    assert [leg["mode"] for leg in json.loads(only.out)["legs"]] == ["sparse"]
    ranks = trivet_run("explain", QUERY, "kedge.md", "--index", indexed, "--plan", "rrf", "--json")
    assert all(leg["rank"] for leg in json.loads(ranks.out)["legs"])


def test_explain_says_what_cannot_be_explained(trivet_run, indexed, tmp_path):
    def error(*options: object) -> str:
        result = trivet_run("explain", QUERY, *options)
        assert (result.code, result.out) == (1, "")
        return result.err

    assert "expected the id of a stored document, got 'x'" in error("x", "--index", indexed)
    assert "expected an index in" in error("kedge.md", "--index", tmp_path / "none")
    assert "one of hybrid3, " in error("kedge.md", "--index", indexed, "--plan", "best")
    nowhere = tmp_path / "none" / "why.html"
    assert "expected a file to write" in error("kedge.md", "--index", indexed, "--html", nowhere)
