"""Run langchain-qdrant's own tests against Trivet's LangChain store: `python …/this file`.

They are in its source distribution, which is fetched by pip (or named: `--sdist FILE`). The store
that they import is replaced by ours, behind an adapter of keywords (`rebound.py`). What fails is
listed; the end is an error only if a test fails that is not known to ask for what is wrong.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

DISTRIBUTION = "langchain-qdrant==1.1.0"
SUITE = "tests/integration_tests/qdrant_vector_store"
# It asks for the most different documents with lambda_mult=0 and expects the most relevant.
INVERTED_MMR = "test_mmr.py::test_qdrant_mmr_search"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sdist", type=Path, help="a source distribution that is there already")
    given = parser.parse_args().sdist
    with tempfile.TemporaryDirectory() as folder:
        packed = given or fetch(Path(folder))
        with tarfile.open(packed) as archive:
            archive.extractall(folder, filter="data")
        (source,) = [path.parent for path in Path(folder).glob("*/pyproject.toml")]
        output = run(source)
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", output, re.M)
    wrong = [test for test in failed if INVERTED_MMR not in test]
    print("\n".join(failed))
    print(output.strip().splitlines()[-1])
    print(
        f"{len(failed) - len(wrong)} failed for the inverted MMR, {len(wrong)} for something else"
    )
    return 1 if wrong else 0


def fetch(folder: Path) -> Path:
    """The source distribution."""
    name = DISTRIBUTION.partition("==")[0]  # alone: what builds it may come as wheels
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary",
               name, "--dest", str(folder), DISTRIBUTION]  # fmt: skip
    subprocess.run(command, check=True)
    (packed,) = folder.glob("*.tar.gz")
    return packed


def run(source: Path) -> str:
    """What pytest prints of the suite."""
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "rebound", "-p", "no:cacheprovider",
               "-o", "addopts=", "-rfE", "--tb=short", SUITE]  # fmt: skip
    done = subprocess.run(
        command, cwd=source, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    sys.stderr.write(done.stdout if done.returncode else done.stderr)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
