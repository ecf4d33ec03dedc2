"""Translations and migrations that are broken off: the numbers add up, and both ways are open."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Callable

import pytest

import trivet
from trivet import errors
from trivet.index.upgrade import Upgrade, migrating

from .services import of_words, service, taken_to, texts_of
from .stages import found, require_untouched, stored

TEXTS = texts_of(60)
OLD, NEW = service("old", of_words(0)), service("new", of_words(1))
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def index(open_old: Callable[..., trivet.Index]) -> trivet.Index:
    made = open_old(model=OLD, modes=["dense", "sparse"])
    made.add(list(TEXTS.values()), ids=list(TEXTS), on_error="raise")
    return made


class Fault:
    """Something that goes wrong with the second writing of vectors."""

    def __init__(self, kind: str, index: trivet.Index, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error: type[BaseException] = errors.StoreError
        engine = type(index._store.engine)
        calls: list[int] = []
        write = engine.set_vectors

        def second(*given: object) -> None:
            calls.append(1)
            if len(calls) > 1 and kind == "engine":
                raise errors.StoreError("the engine failed")
            if len(calls) > 1 and kind == "Ctrl-C":
                raise KeyboardInterrupt
            write(*given)
            if kind == "disk":  # which is full from the first writing on
                monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1, 1, 0))

        if kind == "Ctrl-C":
            self.error = KeyboardInterrupt
        monkeypatch.setattr(engine, "set_vectors", second)


def pages_of_16(index: trivet.Index, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = type(index._store.engine)
    pages = engine.pages

    def small(*given: object) -> object:
        for page in pages(*given):
            ids = list(page)
            for first in range(0, len(ids), 16):
                yield {id: page[id] for id in ids[first : first + 16]}

    monkeypatch.setattr(engine, "pages", small)
    monkeypatch.setattr(migrating, "BATCH", 16)


@pytest.mark.parametrize("kind", ["engine", "disk", "Ctrl-C"])
@pytest.mark.parametrize("step", ["translate", "migrate"])
def test_what_is_broken_off_goes_on_or_goes_back(
    step: str, kind: str, index: trivet.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "disk" and index._store.folder is None:
        pytest.skip("a server minds its own disk")
    name = index.spaces[0].vector_name
    old, hits = stored(index, list(TEXTS), name), found(index, "anchor ship sail")
    upgrade = taken_to(index, NEW, "query" if step == "translate" else "translate")
    take: Callable[[], object] = (
        (lambda: upgrade.cutover("translate", force=True))
        if step == "translate"
        else (lambda: upgrade.migrate("id"))
    )
    for end in ("back", "on"):
        with monkeypatch.context() as patched:
            pages_of_16(index, patched)
            with pytest.raises(Fault(kind, index, patched).error):
                take()
        status = upgrade.status()
        native = 16 if step == "migrate" else 0
        assert (status.documents, status.native, status.textless) == (60, native, 0)
        assert len(found(index, "anchor ship sail")) == 5
        assert index.verify().is_clean
        if end == "back":
            upgrade.rollback()
            require_untouched(index, old, stored(index, list(TEXTS), name))
            assert found(index, "anchor ship sail") == hits
            upgrade = _again(index, step)
    take()
    upgrade.migrate()
    assert upgrade.status().native == 60
    upgrade.rollback()
    require_untouched(index, old, stored(index, list(TEXTS), name))
    assert found(index, "anchor ship sail") == hits


def _again(index: trivet.Index, step: str) -> Upgrade:
    return taken_to(index, NEW, "query" if step == "translate" else "translate")
