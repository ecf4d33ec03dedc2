"""What each command prints, and the code it exits with."""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import replace
from importlib.metadata import version
from itertools import islice

import pytest

import trivet
from trivet.cli import indexing
from trivet.cli.demo import QUESTIONS, run_demo
from trivet.cli.stdlib_docs import c_documents
from trivet.errors import NotAnIndexError


def test_index_says_what_it_did(trivet_run, library, tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr("trivet.cli.progress.LINE_EVERY_S", 600.0)  # however slow the machine is
    (library / "empty.py").write_text("")
    (library / "picture.png").write_bytes(b"\x89PNG")
    (library / "out.txt").symlink_to("/etc/hostname")
    result = trivet_run("index", library, "--index", tmp_path / "i", "--model", tiny_model)
    assert result.code == 0
    assert result.out.startswith("3 documents: 3 added in ")
    assert "passed over: 1 file of another kind, 1 empty file, 1 link" in result.out
    assert result.err == ""


def test_index_again_replaces_what_has_changed(trivet_run, library, indexed):
    (library / "kedge.md").write_text("A kedge is another thing now.")
    result = trivet_run("index", library, "--index", indexed, "--json")
    summary = json.loads(result.out)
    assert (summary["added"], summary["replaced"], summary["skipped"]) == (0, 1, 2)
    with trivet.open(indexed) as index:
        (document,) = index.get(["kedge.md"])
    assert document.text == "A kedge is another thing now."
    assert document.metadata == {"path": "kedge.md"}


def test_index_names_every_failed_document_and_stores_the_rest(
    trivet_run, library, tiny_model, tmp_path
):
    (library / "bad.txt").write_bytes(b"caf\xe9")
    (library / "nul.txt").write_bytes(b"a\x00b")
    with gzip.open(library / "more.jsonl.gz", "wt") as file:
        file.write('{"text": "Kedge"}\n{"txt": "a"}\n{"text": " "}\n')
    folder = tmp_path / "index"
    result = trivet_run("index", library, "--index", folder, "--model", tiny_model)
    assert result.code == 3
    assert result.out.startswith("8 documents: 4 added, 4 failed in ")
    lines = result.err.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("failed: bad.txt: expected UTF-8")
    assert lines[1].startswith("failed: more.jsonl.gz:2: expected the key")
    assert {line.split(": ")[1] for line in lines} == {
        "bad.txt",
        "more.jsonl.gz:2",
        "more.jsonl.gz:3",
        "nul.txt",
    }
    summary = trivet_run("index", library, "--index", folder, "--json")
    assert summary.code == 3
    assert len(json.loads(summary.out)["failed"]) == 4


def test_prune_deletes_what_the_paths_hold_no_longer(trivet_run, library, indexed):
    (library / "kedge.md").unlink()
    (library / "rows.jsonl").write_text('{"text": "A buoy.", "id": "buoy"}\n')
    kept = trivet_run("index", library, "--index", indexed)
    assert "pruned" not in kept.out
    result = trivet_run("index", library, "--index", indexed, "--prune")
    assert "pruned: 2 documents" in result.out
    with trivet.open(indexed) as index:
        assert {document.id for document in index.documents()} == {"leeway.txt", "buoy"}
    again = trivet_run("index", library, "--index", indexed, "--prune", "--json")
    assert json.loads(again.out)["removed"] == 0


def test_nothing_is_pruned_while_a_document_fails(trivet_run, library, indexed):
    (library / "kedge.md").unlink()
    (library / "rows.jsonl").write_text("no JSON\n")
    result = trivet_run("index", library, "--index", indexed, "--prune")
    assert result.code == 3
    assert "nothing was pruned, since documents failed" in result.out
    with trivet.open(indexed) as index:
        assert index.count() == 3


def test_the_language_of_a_new_index_is_named(trivet_run, library, tiny_model, tmp_path):
    options = ["index", library, "--index", tmp_path / "i", "--model", tiny_model, "--language"]
    assert trivet_run(*options, "de").code == 0
    assert ", de" in trivet_run("info", "--index", tmp_path / "i").out
    assert trivet_run(*options, "fr").code == 1
    assert "expected a language out of" in trivet_run(*options, "xx").err


def test_the_version_is_told(trivet_run):
    assert trivet_run("--version").out == f"trivet {version('trivet')}\n"


def test_debug_may_stand_behind_the_command(trivet_run, tmp_path):
    with pytest.raises(NotAnIndexError):
        trivet_run("info", "--index", tmp_path, "--debug")
    # Behind "--" it is a text.
    assert "expected an index" in trivet_run("search", "--index", tmp_path, "--", "--debug").err


def test_index_refuses_two_files_with_one_id_before_anything_is_written(
    trivet_run, library, tmp_path, tiny_model
):
    shutil.copytree(library, tmp_path / "copy")
    folder = tmp_path / "index"
    result = trivet_run(
        "index", library, tmp_path / "copy", "--index", folder, "--model", tiny_model
    )
    assert result.code == 1
    assert result.err.startswith("error: expected one file for each id, got 'kedge.md' from both")
    assert not folder.exists()


def test_index_refuses_folders_without_any_text(trivet_run, tmp_path):
    (tmp_path / "empty").mkdir()
    result = trivet_run("index", tmp_path / "empty", "--index", tmp_path / "index")
    assert result.code == 1
    assert "got none of them" in result.err
    assert not (tmp_path / "index").exists()


def test_an_index_within_the_path_is_not_indexed(trivet_run, library, tiny_model):
    folder = library / "index"
    trivet_run("index", library, "--index", folder, "--model", tiny_model)
    (folder / "stray.txt").write_text("not a document")
    result = trivet_run("index", library, "--index", folder)
    assert result.out.startswith("3 documents: 3 unchanged")


def test_info_needs_no_model(trivet_run, indexed, tiny_model):
    hidden = tiny_model.rename(tiny_model.with_name("hidden"))
    try:
        shown = trivet_run("info", "--index", indexed)
        described = json.loads(trivet_run("info", "--index", indexed, "--json").out)
    finally:
        hidden.rename(tiny_model)
    assert shown.code == 0
    assert "documents  3" in shown.out
    assert "qdrant-edge" in shown.out
    assert "bm25, english" in shown.out
    assert described["documents"] == 3
    assert [space["mode"] for space in described["spaces"]] == ["dense", "sparse", "multi"]
    assert described["size_bytes"] > 0


@pytest.mark.parametrize("command", [["search", "kedge"], ["info"]])
def test_search_and_info_make_no_index(trivet_run, tmp_path, command):
    for folder, came in ((tmp_path / "none", "no such folder"), (tmp_path, "a folder without one")):
        result = trivet_run(*command, "--index", folder)
        assert result.code == 1
        assert came in result.err
        assert "trivet index PATH --index" in result.err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["frobnicate"], 2, "error: No such command 'frobnicate' (see trivet --help)"),
        (["search"], 2, "error: Missing argument 'QUERY' (see trivet search --help)"),
        (["search", "x"], 2, "Missing option '--index'"),
        (["search", "x", "--index", "{indexed}", "-k", "0"], 2, "(see trivet search --help)"),
        (["index", "/no/such/path", "--index", "i"], 2, "does not exist"),
        (["search", "x", "--index", "{indexed}", "--mode", "loud"], 1, "got 'loud'"),
        (["search", " ", "--index", "{indexed}"], 1, "expected a query with text in it"),
        (
            ["index", "{library}/kedge.md", "--index", "{library}"],
            1,
            "expected an index or an empty",
        ),
        (["index", "{library}", "--index", "{indexed}", "--model", "/none"], 1, "no folder"),
    ],
)
def test_errors_are_one_line(trivet_run, indexed, library, arguments, code, message):
    result = trivet_run(*(part.format(indexed=indexed, library=library) for part in arguments))
    assert result.code == code
    assert len(result.err.splitlines()) == 1
    assert result.err.startswith("error: ")
    assert message in result.err
    assert result.out == ""


def test_a_locked_index_is_an_error_of_one_line(trivet_run, indexed):
    with trivet.open(indexed):
        result = trivet_run("info", "--index", indexed)
    assert result.code == 1
    assert len(result.err.splitlines()) == 1


def test_debug_shows_where_an_error_comes_from(trivet_run, tmp_path):
    with pytest.raises(trivet.TrivetError):
        trivet_run("--debug", "info", "--index", tmp_path)


def test_help_lists_commands_and_exit_codes(trivet_run):
    result = trivet_run()
    assert result.code == 0
    for word in ("index", "search", "info", "demo", "130", "--debug"):
        assert word in result.out
    assert trivet_run("search", "--help").code == 0


def test_the_demo_asks_and_resumes(tiny_model, tmp_path, capsys):
    # Titles without parameters: the tiny checkpoint reads no more than 64 tokens.
    corpus = [replace(document, title=document.id) for document in islice(c_documents(), 150)]
    folder = tmp_path / "demo index"
    assert run_demo(folder, corpus=lambda: corpus, model=str(tiny_model)) == 0
    first = capsys.readouterr().out
    assert "150 documents: 150 added" in first
    assert len(QUESTIONS) >= 8
    for question in QUESTIONS:
        assert f"\n{question}  " in first
    assert first.count(" dense ") >= 3 * len(QUESTIONS) / 2
    assert f"info --index '{folder}'" in first
    assert run_demo(folder, corpus=lambda: corpus) == 0
    assert "150 documents: 150 unchanged" in capsys.readouterr().out


def test_whoever_stops_an_ingest_is_told_what_is_stored(trivet_run, indexed, tmp_path, monkeypatch):
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"text": f"anchor {n}"}) + "\n" for n in range(600)))
    read = indexing.read_files

    def stopped(files):
        yield from islice(read(files), 599)
        raise KeyboardInterrupt

    monkeypatch.setattr(indexing, "read_files", stopped)
    result = trivet_run("index", rows, "--index", indexed)
    assert result.code == 130
    told, last = result.err.splitlines()[-2:]
    assert last == "stopped; run again to resume"
    with trivet.open(indexed) as index:
        stored = index.count() - 3
    assert stored >= 256
    assert told.startswith(f"{stored} documents: {stored} added in ")
