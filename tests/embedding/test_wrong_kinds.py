"""Every setting of a checkpoint's JSON files, made one of another kind: an error of ours or success."""

from __future__ import annotations

import json
import os
import random

import pytest
from families import FAMILIES

from trivet.embedding import Embedder
from trivet.errors import TrivetError

WRONG = (None, "x", "", -1, 0, 3.5, True, [], ["x"], [None], [[]], {}, {"x": None})
TEXTS = ["a kedge is a light anchor", "leeway"]
# Settings of each family that are tried; 0 = all of them, an hour.
SAMPLE = int(os.environ.get("TRIVET_WRONG_KINDS", "25"))
# A vocabulary's entries are all of one kind: a few stand for them.
ENTRIES = 3


def places(value, path=()):
    yield path
    if isinstance(value, dict):
        keys = list(value) if len(value) < 60 else list(value)[:ENTRIES]
        for key in keys:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for position, entry in enumerate(value[:ENTRIES]):
            yield from places(entry, (*path, position))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def changed(value, path, wrong):
    if not path:
        return wrong
    copy = value.copy()
    copy[path[0]] = changed(value[path[0]], path[1:], wrong)
    return copy


def settings(folder):
    """The JSON files of a checkpoint, with their content."""
    files = [file for file in sorted(folder.rglob("*")) if file.suffix in (".json", ".metadata")]
    return {file: json.loads(file.read_text("utf-8")) for file in files}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_setting_of_another_kind_is_refused_or_does_no_harm(tmp_path, name):
    folder = FAMILIES[name].build(tmp_path / name)
    stored = settings(folder)
    cases = [
        (file, path, wrong)
        for file, content in stored.items()
        for path in places(content)
        for wrong in WRONG
        if at(content, path) != wrong
    ]
    random.Random(name).shuffle(cases)
    untyped = []
    for file, path, wrong in cases[: SAMPLE or None]:
        file.write_text(json.dumps(changed(stored[file], path, wrong)), "utf-8")
        try:
            embedder = Embedder.load(folder, **FAMILIES[name].options)
            embedder.embed_documents(TEXTS)
            embedder.embed_queries(TEXTS)
        except TrivetError as error:
            assert "expected" in str(error)  # noqa: PT017
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a panic of its library is no Exception
            untyped.append((file.relative_to(folder).as_posix(), path, wrong, repr(error)))
        file.write_text(json.dumps(stored[file]), "utf-8")
    assert not untyped, "\n".join(map(str, untyped))
