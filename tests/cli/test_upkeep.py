"""What the commands for the upkeep of an index print, and the codes that they exit with."""

from __future__ import annotations

import json

import pytest

import trivet
from trivet.store import store as store_module
from trivet.store.points import point_id


def lose_a_chunk(folder):
    with trivet.open(folder) as index:
        id = point_id(index._store.manifest.namespace, "leeway.txt", 0)
        index._store.engine.delete([id])


def test_verify_finds_nothing_wrong_in_a_good_index(trivet_run, indexed):
    result = trivet_run("verify", "--index", indexed)
    assert (result.code, result.err) == (0, "")
    assert result.out == "3 documents, 3 chunks, 3 points\n"
    found = json.loads(trivet_run("verify", "--index", indexed, "--json").out)
    assert found["is_clean"] is True
    assert (found["documents"], found["broken"], found["orphans"]) == (3, [], [])


def test_what_verify_finds_repair_mends_and_index_adds_again(trivet_run, library, indexed):
    lose_a_chunk(indexed)
    found = trivet_run("verify", "--index", indexed)
    assert found.code == 1
    assert "broken: leeway.txt" in found.out
    assert found.err == f"error: run `trivet repair --index {indexed}`\n"
    as_json = trivet_run("verify", "--index", indexed, "--json")
    assert (as_json.code, json.loads(as_json.out)["broken"]) == (1, ["leeway.txt"])
    repaired = trivet_run("repair", "--index", indexed)
    assert repaired.code == 3
    assert repaired.out == "2 documents whole\n"
    assert repaired.err.startswith("failed: leeway.txt: was not stored whole")
    assert trivet_run("verify", "--index", indexed).code == 0
    again = trivet_run("index", library, "--index", indexed)
    assert again.out.startswith("3 documents: 1 added, 2 unchanged")
    assert trivet_run("repair", "--index", indexed).code == 0


def test_a_lost_journal_names_the_command_that_writes_it_anew(trivet_run, indexed):
    (indexed / "journal.sqlite").unlink()
    for command in ("info", "verify"):
        result = trivet_run(command, "--index", indexed)
        assert result.code == 1
        assert "trivet repair" in result.err
    repaired = trivet_run("repair", "--index", indexed)
    assert (repaired.code, repaired.out) == (0, "3 documents whole, journal written anew\n")
    assert trivet_run("verify", "--index", indexed).code == 0


def test_a_backup_is_restored(trivet_run, indexed, tmp_path):
    result = trivet_run("backup", tmp_path / "backup", "--index", indexed)
    assert (result.code, result.err) == (0, "")
    assert result.out == f"3 documents backed up to {tmp_path / 'backup'}\n"
    result = trivet_run("restore", tmp_path / "backup", "--index", tmp_path / "again")
    assert (result.code, result.err) == (0, "")
    assert result.out == f"3 documents restored to {tmp_path / 'again'}\n"
    assert trivet_run("search", "tide", "--index", tmp_path / "again").code == 0
    second = trivet_run("backup", tmp_path / "backup", "--index", indexed)
    assert second.code == 1
    assert "empty folder" in second.err


def test_optimize_says_what_it_did(trivet_run, indexed, monkeypatch):
    small = trivet_run("optimize", "--index", indexed)
    assert (small.code, small.err) == (0, "")
    assert small.out.startswith("nothing to do: 3 new of 3 chunks")
    assert "optimized  not needed" in trivet_run("info", "--index", indexed).out
    monkeypatch.setattr(store_module, "SCAN_LIMIT", 3)
    assert "run `trivet optimize`" in trivet_run("info", "--index", indexed).out
    monkeypatch.undo()
    forced = trivet_run("optimize", "--index", indexed, "--force")
    assert forced.code == 0
    assert forced.out.startswith("3 chunks optimized in ")
    assert forced.err.splitlines() == ["copying", "optimizing", "catching up"]
    assert "optimized  3 chunks" in trivet_run("info", "--index", indexed).out
    assert json.loads(trivet_run("info", "--index", indexed, "--json").out)["optimized"] == 3


@pytest.mark.parametrize(
    "command", [["verify"], ["repair"], ["optimize"], ["backup", "target"], ["restore", "none"]]
)
def test_where_there_is_no_index_none_is_made(trivet_run, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    result = trivet_run(*command, "--index", tmp_path / "none")
    assert result.code == 1
    assert result.err.startswith("error: expected a")
    assert list(tmp_path.iterdir()) == []


def test_help_lists_the_upkeep(trivet_run):
    result = trivet_run()
    for word in ("optimize", "backup", "restore", "verify", "repair"):
        assert word in result.out
