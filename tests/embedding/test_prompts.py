"""Each role takes the prompt that a checkpoint means for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from trivet.embedding.prompts import prompt_for
from trivet.embedding.spec import EncoderSpec


@pytest.mark.parametrize(
    ("prompts", "default", "query", "document"),
    [
        ({}, None, "", ""),
        ({"query": "q ", "document": "d "}, None, "q ", "d "),
        ({"query": "q ", "passage": "p "}, None, "q ", "p "),
        ({"query": "q ", "corpus": "c "}, None, "q ", "c "),
        ({"corpus": "c ", "passage": "p ", "document": "d "}, None, "", "d "),
        ({"query": "q ", "document": ""}, "query", "q ", ""),
        ({"query": "q "}, "query", "q ", ""),
        ({"passage": "p "}, "passage", "", "p "),
        ({"query": "q ", "any": "a "}, "any", "q ", "a "),
        ({"any": "a "}, "any", "a ", "a "),
        ({"any": "a "}, None, "", ""),
    ],
)
def test_a_role_takes_its_own_prompt_then_the_default(prompts, default, query, document):
    spec = EncoderSpec(Path(), (), 4, 8, prompts=prompts, default_prompt=default)
    assert prompt_for(spec, "query") == query
    assert prompt_for(spec, "document") == document
