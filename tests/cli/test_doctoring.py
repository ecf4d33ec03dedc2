"""`trivet doctor`: what it prints, and the code it exits with."""

from __future__ import annotations

import json

import pytest
from stub_server import StubServer

import trivet
from trivet.store.points import point_id
from trivet.types import Space


def test_a_sound_index_exits_with_0(trivet_run, indexed):
    result = trivet_run("doctor", "--index", indexed)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[-1] == "nothing is wrong"
    assert "documents 3" in result.out
    with trivet.open(indexed) as index:
        fingerprints = [space.fingerprint for space in index.describe().spaces]
    assert all(f"fingerprint {fingerprint}" in result.out for fingerprint in fingerprints)


def test_something_to_look_at_exits_with_2_and_a_broken_index_with_3(trivet_run, indexed):
    with trivet.open(indexed) as index:
        index._store.engine.add_space(Space("dense", "stranger", 4, {"weights": "unknown"}))
    result = trivet_run("doctor", "--index", indexed)
    assert result.code == 2
    assert "look: vectors: the engine holds vectors" in result.out
    assert "\n→ in a folder, `trivet repair` drops them" in result.out
    with trivet.open(indexed) as index:
        index._store.engine.delete([point_id(index._store.manifest.namespace, "leeway.txt", 0)])
    told = trivet_run("doctor", "--index", indexed, "--json")
    assert told.code == 3
    report = json.loads(told.out)
    assert (report["level"], report["state"]) == ("broken", "stable")
    assert [(f["level"], f["subject"]) for f in report["findings"]] == [
        ("broken", "documents"), ("look", "vectors")
    ]  # fmt: skip


def test_an_index_that_cannot_be_opened_is_broken(trivet_run, indexed):
    (indexed / "journal.sqlite").unlink()
    result = trivet_run("doctor", "--index", indexed)
    assert result.code == 3
    assert "trivet repair" in result.out


def test_no_index_is_made_by_looking_for_one(trivet_run, tmp_path):
    assert trivet_run("doctor", "--index", tmp_path / "none").code == 1
    assert not (tmp_path / "none").exists()


@pytest.mark.loopback
def test_an_index_on_a_server_is_examined(trivet_run, tiny_model):
    with StubServer() as server:
        missing = trivet_run("doctor", "--index", server.url)
        assert missing.code == 1
        assert "expected an index at" in missing.err
        with trivet.open(server.url, collection="notes", model=tiny_model) as index:
            index.add(["kedge anchor"], ids=["a"], on_error="raise")
        result = trivet_run("doctor", "--index", server.url, "--collection", "notes")
        assert (result.code, result.out.splitlines()[-1]) == (0, "nothing is wrong")
