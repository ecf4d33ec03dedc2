"""The README is true: every block of it is run, and prints what it says."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import metadata
from pathlib import Path
from typing import NamedTuple

import pytest

from trivet.cli.demo import QUESTIONS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


class Block(NamedTuple):
    language: str
    code: str


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    return [Block(*each) for each in found]


PLUGINS = sorted(ROOT.glob("integrations/*/README.md"))
BLOCKS = blocks_of(ROOT / "README.md")
COMMANDS = [
    line for block in BLOCKS if block.language == "bash" for line in block.code.splitlines()
]


def test_every_block_is_of_a_kind_that_is_run() -> None:
    assert README.count("\n```") == 2 * len(BLOCKS)
    assert {block.language for block in BLOCKS} == {"bash", "json", "python", "text"}
    known = ("make demo", "make check", "make test", "pip install ", "trivet ")
    assert all(command.startswith(known) for command in COMMANDS)


@pytest.mark.model
def test_python_blocks_print_what_the_readme_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "readme"}
    pairs = zip(BLOCKS, [*BLOCKS[1:], Block("", "")], strict=True)
    ran = 0
    for block, following in pairs:
        if block.language != "python":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block.code, "README.md", "exec"), names)
        expected = following.code if following.language == "text" else printed.getvalue()
        assert printed.getvalue() == expected
        ran += 1
    assert ran >= 6


@pytest.mark.model
@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.parent.name)
def test_the_example_of_a_plug_in_finds_the_anchor(
    plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = [block for block in blocks_of(plugin) if block.language == "python"]
    printed = io.StringIO()
    names: dict[str, object] = {"__name__": "readme"}
    with contextlib.redirect_stdout(printed):
        exec(compile(example.code, str(plugin), "exec"), names)
    names["store"].close()
    assert "kedge" in printed.getvalue()


@pytest.mark.model
def test_trivet_commands_run(
    trivet_run: Callable[..., NamedTuple], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "README.md", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "who holds a folder?"}\n')
    (tmp_path / "qrels.tsv").write_text("1\tarchitecture.md\t1\n")
    monkeypatch.chdir(tmp_path)
    outputs = {}
    for command in COMMANDS:
        program, *arguments = shlex.split(command)
        if program == "trivet":
            # In this process, which has loaded torch already.
            done = trivet_run(*arguments)
            assert done.code == 0, done.err
            outputs[arguments[0]] = done.out
    assert set(outputs) == {"index", "search", "info", "eval"}
    assert "architecture.md" in outputs["search"]


def test_the_client_file_names_options_that_trivet_mcp_has() -> None:
    (block,) = [block for block in BLOCKS if block.language == "json"]
    (server,) = json.loads(block.code)["mcpServers"].values()
    command, *options = server["args"]
    told = shell(f"trivet {command} --help", ROOT)
    assert (server["command"], told.returncode) == ("trivet", 0)
    assert all(option in told.stdout for option in options if option.startswith("-"))


def test_the_extras_that_the_readme_names_are_there() -> None:
    (install,) = [command for command in COMMANDS if command.startswith("pip ")]
    (named,) = re.findall(r'"\.\[(.+)\]"', install)
    assert set(named.split(",")) <= set(metadata("trivet").get_all("Provides-Extra"))


# What the demo's questions are about; all of the library takes more than a minute.
ASKED = ["csv", "fnmatch", "functools", "smtplib", "subprocess", "tempfile", "timeit", "zipfile"]


@pytest.mark.slow
@pytest.mark.model
def test_make_demo_answers_and_resumes(tmp_path: Path) -> None:
    options = [f"--index {tmp_path / 'demo'}", *(f"--module {name}" for name in ASKED)]
    command = f'make demo DEMO="{" ".join(options)}"'
    done = shell(command, ROOT)
    assert done.returncode == 0, done.stderr
    documents = re.search(r"(\d+) documents: \1 added", done.stdout)
    assert documents is not None, done.stdout[:400]
    assert int(documents[1]) > 100
    assert done.stdout.count(" ms\n") == len(QUESTIONS)
    assert [name for name in ASKED if f"  {name}." not in done.stdout] == []
    again = shell(command, ROOT)
    assert again.returncode == 0, again.stderr
    assert f"{documents[1]} documents: {documents[1]} unchanged" in again.stdout


def test_the_demo_that_make_runs_reads_all_of_the_library() -> None:
    done = shell("make --dry-run --always-make demo", ROOT)
    assert re.search(r"^\S+/trivet demo *$", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.parametrize("target", ["test", "check", "demo"])
def test_make_knows_the_targets(target: str) -> None:
    done = shell(f"make --dry-run {target}", ROOT)
    assert done.returncode == 0, done.stderr


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command with this environment's programs first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        command, shell=True, cwd=folder, env=environment, capture_output=True, text=True
    )
