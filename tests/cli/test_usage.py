"""Command lines that cannot be meant: what they are answered, and that nothing is made."""

from __future__ import annotations

import pytest


def test_upgrade_alone_shows_its_commands_and_no_error(trivet_run):
    done = trivet_run("upgrade")
    assert done.code == 2
    assert done.err == ""
    assert "rollback" in done.out


@pytest.mark.parametrize("kind", ["a file", "a folder without one", "no such folder"])
def test_where_there_is_no_index_the_command_that_makes_one_can_be_pasted(
    trivet_run, tmp_path, monkeypatch, kind
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a file").touch()
    (tmp_path / "a folder without one").mkdir()
    done = trivet_run("info", "--index", kind)
    assert done.code == 1
    assert f"got {kind}: make one with `trivet index PATH --index '{kind}'`" in done.err
