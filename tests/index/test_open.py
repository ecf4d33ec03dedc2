"""Opening: what is there, what is asked for, and what does not fit together."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import trivet
from trivet import errors


@pytest.fixture
def made(tmp_path: Path, tiny_model: Path) -> Path:
    with trivet.open(tmp_path / "index", model=tiny_model) as index:
        index.add(["an anchor", "a sail"], ids=["a", "b"])
    return tmp_path / "index"


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_an_index_opens_as_stored(made: Path) -> None:
    with trivet.open(made) as index:
        assert index.count() == 2
        assert index.search("anchor", k=1)[0].id == "a"


def test_count_get_delete_and_describe_load_no_model(made: Path) -> None:
    program = f"""
import sys, trivet
with trivet.open({str(made)!r}) as index:
    assert index.count() == 2 and len(index.get(["a"])) == 1 and index.delete(["b"]) == 1
    index.describe()
heavy = {{"torch", "transformers", "sentence_transformers"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_model_that_is_gone_is_missed_at_the_first_embed_only(
    tmp_path: Path, tiny_model: Path
) -> None:
    model = shutil.copytree(tiny_model, tmp_path / "model")
    with trivet.open(tmp_path / "index", model=model) as index:
        index.add(["an anchor"], ids=["a"])
    shutil.rmtree(model)
    with trivet.open(tmp_path / "index") as index:
        assert index.count() == 1
        with pytest.raises(errors.ModelNotFoundError):
            index.search("anchor")
    # The same weights elsewhere are the same space.
    with trivet.open(tmp_path / "index", model=tiny_model) as index:
        assert index.search("anchor")[0].id == "a"


def test_another_model_is_refused(made: Path, tiny_model_other: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.SpaceMismatchError, match=r"weights.*model=None"):
        trivet.open(made, model=tiny_model_other)
    with trivet.open(made) as index:
        assert index.count() == 2


def test_weights_that_change_under_the_same_name_are_refused(
    tmp_path: Path, tiny_model: Path, tiny_model_other: Path
) -> None:
    model = shutil.copytree(tiny_model, tmp_path / "model")
    with trivet.open(tmp_path / "index", model=model) as index:
        index.add(["an anchor"])
    shutil.copy(tiny_model_other / "model.safetensors", model / "model.safetensors")
    with trivet.open(tmp_path / "index") as index:
        for call in (lambda: index.search("anchor"), lambda: index.add(["x"])):
            with pytest.raises(errors.SpaceMismatchError, match="weights"):
                call()
        assert index.count() == 1


def test_modes_and_settings_stay_as_they_were_made(made: Path) -> None:
    with pytest.raises(errors.SpaceMismatchError, match="modes dense, sparse, multi, got dense"):
        trivet.open(made, modes=["dense"])
    with pytest.raises(errors.SettingsMismatchError, match="chunk_tokens=64"):
        trivet.open(made, settings=trivet.Settings(chunk_tokens=32))
    with trivet.open(
        made, modes=["multi", "sparse", "dense"], settings=trivet.Settings(chunk_tokens=64, depth=5)
    ) as index:
        assert index.count() == 2


def test_places_that_are_no_index(tmp_path: Path, tiny_model: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "cat.jpg").write_bytes(b"x")
    with pytest.raises(errors.NotAnIndexError, match=r"cat\.jpg"):
        trivet.open(folder, model=tiny_model)
    with pytest.raises(errors.NotAnIndexError, match="the file"):
        trivet.open(folder / "cat.jpg", model=tiny_model)
    assert files(folder) == {"cat.jpg"}
    for location in (5, "", " ", None, "a\x00b"):
        with pytest.raises(errors.InvalidInputError):
            trivet.open(location, model=tiny_model)
    with pytest.raises(errors.InvalidInputError, match="collection"):
        trivet.open(tmp_path / "new", model=tiny_model, collection="c")
    with pytest.raises(errors.ModelNotFoundError):
        trivet.open(tmp_path / "new", model=tmp_path / "no model")
    with pytest.raises(errors.InvalidInputError, match="at most 64"):
        trivet.open(tmp_path / "new", model=tiny_model, settings=trivet.Settings(chunk_tokens=99))
    with pytest.raises(errors.UnknownModeError, match="thick"):
        trivet.open(tmp_path / "new", model=tiny_model, modes=["dense", "thick"])
    with pytest.raises(errors.InvalidInputError, match="Settings"):
        trivet.open(tmp_path / "new", model=tiny_model, settings={"depth": 3})
    assert not (tmp_path / "new").exists()


def test_an_index_may_be_closed_by_another_thread(made: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        index = pool.submit(trivet.open, made).result()
    index.close()
    trivet.open(made).close()


def test_a_relative_folder_stays_where_it_was(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with trivet.open("library", model=tiny_model) as index:
        index.add(["one anchor"])
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        index.add(["two sails"])
        assert index.describe().size_bytes > 0
    assert files(tmp_path / "elsewhere") == set()
    with trivet.open(tmp_path / "library") as index:
        assert index.count() == 2


def test_a_death_before_the_manifest_is_there_leaves_a_folder_to_be_made(
    tmp_path: Path, tiny_model: Path
) -> None:
    trivet.open(tmp_path / "index", model=tiny_model).close()
    (tmp_path / "index" / "store.json").rename(tmp_path / "index" / "store.json.new")
    with trivet.open(tmp_path / "index", model=tiny_model) as index:
        assert index.add(["an anchor"]).added == 1


def test_an_empty_folder_becomes_an_index(tmp_path: Path, tiny_model: Path) -> None:
    with trivet.open(tmp_path, model=tiny_model) as index:
        assert index.count() == 0


def test_a_folder_is_held_by_one_index(made: Path, tiny_model: Path) -> None:
    with trivet.open(made) as index:
        with pytest.raises(errors.IndexLockedError, match="held by this process"):
            trivet.open(made)
        program = f"import trivet; trivet.open({str(made)!r})"
        other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert "IndexLockedError" in other.stderr
        assert "held by process" in other.stderr
        assert index.count() == 2
    trivet.open(made).close()


def test_a_holder_that_is_killed_frees_the_folder(made: Path) -> None:
    program = f"""
import os, signal, trivet
index = trivet.open({str(made)!r})
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == -9
    with trivet.open(made) as index:
        assert index.count() == 2


def test_a_folder_that_a_crash_left_half_made_is_made_again(
    tmp_path: Path, tiny_model: Path
) -> None:
    trivet.open(tmp_path / "index", model=tiny_model).close()
    (tmp_path / "index" / "store.json").unlink()
    with trivet.open(tmp_path / "index", model=tiny_model) as index:
        assert index.add(["an anchor", "a sail"], ids=["a", "b"]).added == 2


def test_documents_without_a_manifest_are_not_written_over(made: Path, tiny_model: Path) -> None:
    manifest = (made / "store.json").read_text()
    (made / "store.json").unlink()
    with pytest.raises(errors.IndexDamagedError, match="documents and no store"):
        trivet.open(made, model=tiny_model)
    (made / "store.json").write_text(manifest)
    with trivet.open(made) as index:
        assert len(index.get(["a", "b"])) == 2


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"format": 99}, errors.IndexDamagedError),
        ({"shard": "../elsewhere"}, errors.IndexDamagedError),
        ({"shard": "shards/none"}, errors.IndexDamagedError),
        ({"namespace": "x"}, errors.IndexDamagedError),
        ({"spaces": {"dense": {}}}, errors.IndexDamagedError),
        ({"spaces": None}, errors.IndexDamagedError),
    ],
)
def test_a_manifest_that_was_changed_is_refused(
    made: Path, change: dict, error: type[Exception]
) -> None:
    manifest = json.loads((made / "store.json").read_text())
    (made / "store.json").write_text(json.dumps({**manifest, **change}))
    with pytest.raises(error):
        trivet.open(made)
    (made / "store.json").write_text(json.dumps(manifest))
    with trivet.open(made) as index:
        assert index.count() == 2


@pytest.mark.parametrize("content", ["", "{", "[]", '{"other": "program"}', "\udcff"])
def test_a_manifest_of_another_program_is_refused(made: Path, content: str) -> None:
    (made / "store.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(errors.StoreError, match=r"store\.json"):
        trivet.open(made)


def test_a_tampered_space_is_refused(made: Path) -> None:
    manifest = json.loads((made / "store.json").read_text())
    manifest["spaces"]["dense"]["facts"]["weights"] = "0" * 64
    (made / "store.json").write_text(json.dumps(manifest))
    with pytest.raises(errors.IndexDamagedError, match="facts were changed"):
        trivet.open(made)


@pytest.mark.parametrize("damage", [b"", b"not a database at all" * 300])
def test_a_damaged_journal_is_refused(made: Path, damage: bytes) -> None:
    journal = made / "journal.sqlite"
    kept = journal.read_bytes()
    for side in made.glob("journal.sqlite-*"):
        side.unlink()
    journal.write_bytes(damage)
    with pytest.raises(errors.IndexDamagedError, match="journal"):
        trivet.open(made)
    journal.write_bytes(kept)
    with trivet.open(made) as index:
        assert index.count() == 2


def test_memory_leaves_no_trace(tmp_path: Path, tiny_model: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with trivet.open(":memory:", model=tiny_model) as index:
        index.add(["an anchor"])
        assert index.describe().size_bytes == 0
    assert files(tmp_path) == set()
