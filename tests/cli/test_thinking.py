"""`trivet search --think-file`: thoughts out of a file, and what became of them."""

from __future__ import annotations

import hashlib
import json

import trivet
from trivet.thinking import Replay

QUERY = "what keeps a ship in place"


def thoughts(path, query=QUERY, **changes):
    row = {
        "query_sha256": hashlib.sha256(query.encode()).hexdigest(),
        "thought": "A kedge is a light anchor that keeps a ship in place.",
        "keywords": "kedge, anchor",
        "kind": "passage+keywords",
        **changes,
    }
    path.write_text(json.dumps(row) + "\n")
    return path


def test_hits_are_those_of_a_search_with_the_replayed_thoughts(trivet_run, indexed, tmp_path):
    file = thoughts(tmp_path / "thoughts.jsonl")
    result = trivet_run("search", QUERY, "--index", indexed, "--think-file", file, "--json")
    with trivet.open(indexed) as index:
        plain = [hit.score for hit in index.search(QUERY)]
        expected = [hit.score for hit in index.search(QUERY, think=Replay(file))]
    assert result.code == 0
    assert [hit["score"] for hit in json.loads(result.out)] == expected
    assert (expected == plain) == ("kept" not in result.err)
    assert result.err.startswith("thoughts: keywords ")
    assert "(the guard is 0." in result.err


def test_a_query_without_thoughts_is_searched_plainly(trivet_run, indexed, tmp_path):
    file = thoughts(tmp_path / "thoughts.jsonl", query="another")
    with_file = trivet_run("search", QUERY, "--index", indexed, "--think-file", file)
    plain = trivet_run("search", QUERY, "--index", indexed)
    assert with_file.out == plain.out
    assert with_file.err == "thoughts: none (the file holds no thought of this query)\n"


def test_a_file_that_is_wrong_is_one_line_of_error(trivet_run, indexed, tmp_path):
    file = thoughts(tmp_path / "thoughts.jsonl", kind="poem")
    result = trivet_run("search", QUERY, "--index", indexed, "--think-file", file)
    assert (result.code, result.out) == (1, "")
    assert "line 1" in result.err
    missing = trivet_run("search", QUERY, "--index", indexed, "--think-file", tmp_path / "none")
    assert missing.code == 1
    assert "expected a file of thoughts" in missing.err
