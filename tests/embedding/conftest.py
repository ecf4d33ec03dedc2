"""What the tests of this room share."""

from __future__ import annotations

import pytest


@pytest.fixture
def code_cache(tmp_path_factory, monkeypatch):
    """transformers copies code that it is trusted with into a folder: one of the test run's."""
    from transformers import dynamic_module_utils

    folder = tmp_path_factory.getbasetemp() / "code"
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(folder))
