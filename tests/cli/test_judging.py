"""`trivet eval`: what it prints and writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trivet.plan import PRESETS

IDS = {"kedge": "kedge.md", "leeway": "leeway.txt", "tide": "tide"}


@pytest.fixture
def files(tmp_path: Path) -> list[object]:
    queries, qrels = tmp_path / "queries.tsv", tmp_path / "qrels.txt"
    queries.write_text("".join(f"q{word}\twhat is a {word}?\n" for word in IDS))
    qrels.write_text("".join(f"q{word} 0 {id} 1\n" for word, id in IDS.items()))
    return ["--queries", queries, "--qrels", qrels]


def test_eval_prints_a_row_for_each_plan_in_80_columns(trivet_run, indexed, files, monkeypatch):
    monkeypatch.setattr("trivet.cli.render.PLAIN_WIDTH", 80)
    result = trivet_run("eval", "--index", indexed, *files)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == "3 judged queries, 100 hits each; intervals of 95 % by paired bootstrap"
    assert all(len(line.rstrip()) <= 80 for line in lines)
    rows = {line.split()[0]: line for line in lines[3:13]}
    assert set(rows) == {"dense", "sparse", "multi", *PRESETS}
    assert rows["hybrid3"].rstrip().endswith("default")
    assert "[" in rows["sparse"]
    assert any(line.startswith("keep hybrid3: 3 judged queries") for line in lines)
    assert any("qkedge  what is a kedge?" in line for line in lines)


def test_eval_prints_json_and_nothing_else(trivet_run, indexed, files):
    result = trivet_run("eval", "--index", indexed, *files, "--metric", "RR@3", "--json")
    found = json.loads(result.out)
    assert found["metrics"] == ["RR@3"]
    assert set(found["per_query"]["RR@3"]) == {f"q{word}" for word in IDS}
    assert found["plans"][0]["name"] == found["default"] == "hybrid3"


def test_eval_draws_a_picture_and_writes_a_table(trivet_run, indexed, files, tmp_path):
    picture, table = tmp_path / "plans.png", tmp_path / "scores.tsv"
    trivet_run("eval", "--index", indexed, *files, "--plot", picture, "--per-query", table)
    assert picture.read_bytes().startswith(b"\x89PNG")
    head, *rows = table.read_text().splitlines()
    assert head.split("\t")[:2] == ["query", "hybrid3"]
    assert len(rows) == 3
    assert {row.split("\t")[-1] for row in rows} == {f"what is a {word}?" for word in IDS}


def test_eval_counts_what_it_left_out(trivet_run, indexed, files):
    with files[1].open("a") as queries:
        queries.write("more\tunjudged\n")
    with files[3].open("a") as qrels:
        qrels.write("qtide 0 lost 1\n")
    result = trivet_run("eval", "--index", indexed, *files)
    assert "queries without judgements, left out: 1" in result.out
    assert "relevant documents that the index lacks, never found: 1" in result.out


def test_eval_says_what_is_wrong_before_it_searches(trivet_run, indexed, files, tmp_path):
    def error(*options: object) -> str:
        result = trivet_run("eval", "--index", indexed, *files, *options)
        assert (result.code, result.out) == (1, "")
        return result.err

    assert "expected a metric, got 'nope'" in error("--metric", "nope")
    assert "expected a picture that ends in .png or .svg" in error("--plot", tmp_path / "a.gif")
    assert f"got no folder {tmp_path / 'no'}" in error("--per-query", tmp_path / "no" / "a.tsv")
    assert f"in {tmp_path}, got a folder" in error("--per-query", tmp_path)
    files[3].write_text("q 0 d x\n")
    assert f"{files[3]}:1: expected a whole number as grade, got 'x'" in error()
    assert "expected an index in" in trivet_run("eval", "--index", tmp_path / "no", *files).err
