"""Which devices an embedder may be given, and what is said of others."""

from __future__ import annotations

import pytest

from trivet.embedding import Embedder
from trivet.errors import InvalidInputError

TWO = ["cpu", "cpu"]
TEXTS = [" ".join(["ship and sail", "anchor", "wind"][n % 3 :] * (1 + n % 11)) for n in range(60)]


@pytest.mark.parametrize("device", ["cuda:77", "nowhere"])
def test_a_device_that_is_not_there_is_named(tiny_model, device):
    embedder = Embedder.load(tiny_model, devices=[device])
    with pytest.raises(InvalidInputError, match=f"got '{device}'"):
        embedder.embed_documents(TEXTS)


@pytest.mark.parametrize("devices", [[], "cpu", [""], [0], 3])
def test_what_is_no_list_of_devices_is_refused(tiny_model, devices):
    with pytest.raises(InvalidInputError, match="expected a list of devices"):
        Embedder.load(tiny_model, devices=devices)


def test_devices_are_no_part_of_the_recipe(tiny_model):
    assert Embedder.load(tiny_model, devices=TWO).recipe == {}
