"""The program as a process of its own: what only shows from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

PROGRAM = [sys.executable, "-m", "trivet"]

# The program as it is, and Ctrl-C comes as its first batch is about to be written.
INTERRUPTED = """
import os, signal, sys
from trivet.cli import main
from trivet.store.store import Store
write = Store.write
def interrupted(*given):
    Store.write = write
    os.kill(os.getpid(), signal.SIGINT)
    write(*given)
Store.write = interrupted
sys.exit(main())
"""


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_without_the_extra_one_line_says_what_to_install(package):
    script = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from trivet.cli import main\nsys.exit(main())"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        f"error: the command line needs the package {package!r}, which is not installed: "
        'pip install "trivet[cli]"'
    ]


@pytest.mark.parametrize("arguments", [["--help"], ["info", "--index", "{indexed}"]])
def test_help_and_info_load_no_model(indexed, arguments):
    script = (
        "import sys; from trivet.cli.running import run\n"
        f"code = run({[part.format(indexed=indexed) for part in arguments]!r})\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\nsys.exit(code)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_reader_that_stops_reading_is_no_error(indexed):
    reader, writer = os.pipe()
    os.close(reader)
    command = [*PROGRAM, "info", "--json", "--index", str(indexed)]
    with os.fdopen(writer, "w") as broken:
        result = subprocess.run(command, stdout=broken, stderr=subprocess.PIPE, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_other_encodings_show_a_mark_for_what_they_lack(indexed):
    indexed = indexed.rename(indexed.with_name("caf\xe9"))
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [*PROGRAM, "info", "--index", str(indexed)]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[0].endswith("caf?")


def test_ctrl_c_stops_with_one_line_and_a_rerun_resumes(trivet_run, tiny_model, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"text": f"anchor {n}"}) + "\n" for n in range(1000)))
    arguments = ["index", str(rows), "--index", str(tmp_path / "index"), "--model", str(tiny_model)]
    stopped = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts its background jobs, and so perhaps these tests, deaf to it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert stopped.returncode == 130
    assert stopped.stderr.splitlines()[-1] == "stopped; run again to resume"
    assert "Traceback" not in stopped.stderr
    again = trivet_run(*arguments, "--json")
    assert again.code == 0, again.err
    summary = json.loads(again.out)
    assert summary["added"] + summary["skipped"] == 1000
    assert summary["added"] > 0
