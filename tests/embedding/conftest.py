"""What the tests of this room share."""

from __future__ import annotations

import pytest


@pytest.fixture
def code_cache(tmp_path_factory, monkeypatch):
    """transformers copies code that it is trusted with into a folder: one of the test run's."""
    from transformers import dynamic_module_utils

    folder = tmp_path_factory.getbasetemp() / "code"
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(folder))


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory):
    """Builds a chain of foreign modules once; for tests that change nothing in its folder."""
    from chains import build_chain

    parent = tmp_path_factory.mktemp("chains")

    def build(name):
        folder = parent / name
        return folder if folder.exists() else build_chain(folder, name)

    return build
