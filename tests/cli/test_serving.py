"""`trivet mcp`: what stops it before it serves."""

from __future__ import annotations

import subprocess
import sys


def test_mcp_says_what_is_wrong_before_it_serves(trivet_run, indexed, tmp_path):
    def error(*options: object) -> str:
        result = trivet_run("mcp", *options)
        assert (result.code, result.out) == (1, "")
        return result.err

    assert "expected an index in" in error("--index", tmp_path / "no")
    assert "expected HOST:PORT" in error("--index", indexed, "--http", "here")
    assert "--allow-host" in error("--index", indexed, "--http", "0.0.0.0:8000")


def test_mcp_without_its_extra_names_it(indexed):
    script = "import sys; sys.modules['mcp'] = None\nfrom trivet.cli import main\nsys.exit(main())"
    command = [sys.executable, "-c", script, "mcp", "--index", str(indexed)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")
    assert 'pip install "trivet[mcp]"' in result.stderr
