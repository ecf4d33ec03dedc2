"""A copy of a collection that was killed goes on, and a migration that Ctrl-C stopped resumes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import QdrantClient
from stub_server import StubServer

import trivet

from .killer import Killer
from .services import OLD, collect, collected, of_words, taken_to, texts_of
from .stages import found

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")
TEXTS = list(texts_of(20).values())
MOST = 60


def require_whole(copy: trivet.Index) -> None:
    """Fail unless the copy is the collection."""
    ids = [str(i) for i in range(len(TEXTS))]
    assert {d.id: d.text for d in copy.documents()} == dict(zip(ids, TEXTS, strict=True))
    made = copy.vectors(ids).dense
    assert made is not None
    np.testing.assert_allclose(made.values, of_words(0)(TEXTS), atol=1e-5)
    assert copy.verify().is_clean


def test_a_copy_that_was_killed_at_any_step_goes_on(killer: Killer, tmp_path: Path) -> None:
    kills = 0
    with trivet.adopt(collected(), "notes", model=OLD) as notes:
        for count in range(1, MOST, 5):
            folder = tmp_path / str(count)
            was_killed = killer.take_over(folder, count)
            kills += was_killed
            if (folder / "store.json").exists():
                with trivet.open(folder, model=OLD) as half:
                    assert half.verify().is_clean
                    assert half.count() in range(len(TEXTS) + 1)
            with notes.take_over(folder) as copy:
                require_whole(copy)
            shutil.rmtree(folder)
            if not was_killed:
                break
    assert not was_killed
    assert kills >= 3


@pytest.mark.loopback
def test_a_copy_that_was_killed_when_the_alias_led_to_it_goes_on(
    killer: Killer, server: StubServer
) -> None:
    client = QdrantClient(url=server.url, check_compatibility=False)
    collect(client)
    assert killer.take_over(server.url, 1)
    # It was written to by its own name in the moment between the last look and the death.
    client.set_payload("notes", {"page_content": "kedge anchor"}, [7])
    client.close()
    with trivet.adopt(server.url, "notes", model=OLD) as notes:
        copy = notes.take_over(server.url, collection="copy", alias="all-notes")
        copy.close()
    with trivet.open(server.url, collection="all-notes", model=OLD) as copy:
        assert copy.count() == len(TEXTS)
        assert copy.get(["7"])[0].text == "kedge anchor"
        assert copy.verify().is_clean


@pytest.mark.loopback
@pytest.mark.parametrize("kind", ["folder", "server"])
def test_ctrl_c_stops_the_command_in_one_line_and_a_rerun_resumes(
    kind: str, killer: Killer, server: StubServer, tiny_model: Path, drifted_model: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    texts = list(texts_of(40).values())
    location = str(tmp_path / "index") if kind == "folder" else server.url
    place = location if kind == "folder" else f"{location}/collections/trivet"
    with trivet.open(location, model=tiny_model, modes=["dense", "sparse"]) as index:
        index.add(texts, on_error="raise")
        taken_to(index, drifted_model, "translate")
    assert killer.interrupt(place, tmp_path / "err") == 130
    assert (tmp_path / "err").read_text() == "stopped; run again to resume\n"
    with trivet.open(location) as again:
        upgrade = again.current_upgrade
        assert upgrade is not None
        native = upgrade.status().native
        assert 8 <= native < len(texts)
        assert again.verify().is_clean
        assert again.search(texts[3], k=1)[0].text == texts[3]
        # Its lease was given back: nobody has to wait.
        assert upgrade.migrate() == len(texts) - native
        assert upgrade.status().native == len(texts)
        upgrade.finish()
        assert found(again, texts[5], k=1)
