"""Which files `trivet index` finds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trivet.cli.files import find_files
from trivet.errors import InvalidInputError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    for name in ("b.md", "a.txt", "deep/er/c.rst", "deep/code.py", "rows.jsonl", "UPPER.TXT"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")
    return folder


def ids(*paths: Path, outside: Path = Path("/nowhere")) -> list[str]:
    return [file.id for file in find_files(paths, outside=outside).files]


def test_the_id_is_the_path_relative_to_what_was_named(tree):
    assert ids(tree) == [
        "UPPER.TXT",
        "a.txt",
        "b.md",
        "deep/code.py",
        "deep/er/c.rst",
        "rows.jsonl",
    ]
    assert ids(tree / "deep") == ["code.py", "er/c.rst"]
    assert ids(tree / "deep" / "er" / "c.rst") == ["c.rst"]


def test_hidden_files_and_folders_are_passed_over(tree):
    (tree / ".secret.txt").write_text("text")
    (tree / ".git").mkdir()
    (tree / ".git" / "config.txt").write_text("text")
    assert not [id for id in ids(tree) if "." in (id[0], id.split("/")[-1][0])]


def test_a_hidden_path_is_taken_if_it_is_named(tree):
    hidden = tree / ".notes"
    hidden.mkdir()
    (hidden / "n.txt").write_text("text")
    assert ids(hidden) == ["n.txt"]


def test_other_kinds_of_files_are_counted(tree):
    (tree / "picture.png").write_bytes(b"\x89PNG")
    (tree / "Makefile").write_text("all:")
    os.mkfifo(tree / "pipe.txt")
    found = find_files([tree], outside=tree / "none")
    assert found.other_files == 3
    assert len(found.files) == 6


def test_links_that_leave_the_path_are_passed_over(tree, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("text")
    before = ids(tree)
    (tree / "folder").symlink_to(tmp_path / "outside")
    (tree / "file.txt").symlink_to(tmp_path / "outside" / "secret.txt")
    (tree / "deep" / "up.txt").symlink_to("../../outside/secret.txt")
    (tree / "broken.txt").symlink_to("nothing")
    found = find_files([tree], outside=tree / "none")
    assert [file.id for file in found.files] == before
    assert found.links == 4


def test_what_a_link_leads_to_within_the_path_is_found_once(tree):
    before = ids(tree)
    (tree / "0first.txt").symlink_to("a.txt")
    (tree / "0folder").symlink_to("deep")
    assert ids(tree) == before


def test_a_link_shows_what_is_hidden_within_the_path(tree):
    (tree / ".versions").mkdir()
    (tree / ".versions" / "v.txt").write_text("text")
    (tree / "current").symlink_to(".versions")
    assert "current/v.txt" in ids(tree)


def test_loops_of_links_end(tree):
    before = ids(tree)
    (tree / "deep" / "loop").symlink_to("..")
    (tree / "deep" / "er" / "self").symlink_to(".")
    (tree / "ring_a.txt").symlink_to("ring_b.txt")
    (tree / "ring_b.txt").symlink_to("ring_a.txt")
    assert ids(tree) == before


def test_the_folder_of_the_index_is_never_entered(tree):
    assert ids(tree, outside=tree / "deep") == ["UPPER.TXT", "a.txt", "b.md", "rows.jsonl"]


def test_two_files_with_one_id_are_refused(tree, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.txt").write_text("another")
    with pytest.raises(InvalidInputError, match=r"'a\.txt' from both .*tree.* and .*other"):
        ids(tree, other)


def test_a_path_named_twice_is_found_once(tree):
    assert ids(tree, tree) == ids(tree)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_a_failure(tree):
    (tree / "deep").chmod(0)
    try:
        found = find_files([tree], outside=tree / "none")
    finally:
        (tree / "deep").chmod(0o755)
    assert [failure.id for failure in found.failed] == ["deep/"]
    assert len(found.files) == 4


def test_a_file_name_that_is_no_text_is_a_failure(tree):
    (tree / os.fsdecode(b"caf\xe9.txt")).write_text("text")
    found = find_files([tree], outside=tree / "none")
    assert [failure.id for failure in found.failed] == [r"caf\udce9.txt"]
