"""What `--help` tells a new user: every option with its default, examples that work, statuses."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest
import typer

from trivet.cli.app import app

SCREEN_LINES = 50
GROUP = typer.main.get_command(app)


def commands(group=GROUP, name="trivet") -> Iterator[tuple[str, typer.core.TyperCommand]]:
    yield name, group
    for part, command in getattr(group, "commands", {}).items():
        yield from commands(command, f"{name} {part}")


COMMANDS = dict(commands())


def examples(command) -> list[str]:
    listed = [line for line in (command.epilog or "").splitlines() if line.startswith("- `trivet")]
    return [line.removeprefix("- `").removesuffix("`") for line in listed]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_one_screen_with_examples_and_exit_statuses(trivet_run, monkeypatch, name):
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 100)
    shown = trivet_run(*name.split()[1:], "--help")
    assert (shown.code, shown.err) == (0, "")
    assert len(shown.out.strip().splitlines()) <= SCREEN_LINES
    below = shown.out.partition("Examples:")[2]
    assert "trivet " in below
    assert "0 " in below.partition("Exit ")[2] or "0:" in below.partition("Exit ")[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained_with_its_default(name):
    for option in COMMANDS[name].params:
        assert option.help, (name, option.name)
        if option.required or getattr(option, "is_flag", False) or option.name == "help":
            continue
        told = option.show_default
        assert told is True or isinstance(told, str), (name, option.name)
        assert isinstance(told, str) or option.default not in (None, ""), (name, option.name)


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_command_lines_that_are_understood(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for file in ("README.md", "docs", "rows.jsonl.gz", "pairs.jsonl", "queries.txt", "judged.json"):
        (tmp_path / file).touch()
    assert examples(COMMANDS[name])
    for example in examples(COMMANDS[name]):
        command, rest = GROUP, shlex.split(example)[1:]
        while hasattr(command, "commands"):
            command, rest = command.commands[rest[0]], rest[1:]
        command.make_context("trivet", rest)
