"""Whatever form a model's answer takes, its thoughts are found, and nothing else is."""

from __future__ import annotations

import pytest

from trivet.thinking.parsing import parse_thoughts

PASSAGE = "Flutter of thin wings is delayed by stiffness and mass balance."
KEYWORDS = "flutter, thin wings, stiffness"
BOTH = [(PASSAGE, "passage"), (KEYWORDS, "keywords")]


def found(answer: str) -> list[tuple[str, str]]:
    return [(thought.text, thought.kind) for thought in parse_thoughts(answer)]


@pytest.mark.parametrize(
    "answer",
    [
        f"PASSAGE: {PASSAGE}\nKEYWORDS: {KEYWORDS}",
        f"**Passage:** {PASSAGE}\n\n**Keywords:** {KEYWORDS}",
        f"1. passage - {PASSAGE}\n2. keywords - {KEYWORDS}",
        f"### PASSAGE\n{PASSAGE}\n### KEYWORDS\n- flutter\n- thin wings\n- stiffness\n",
        f"Sure, here you go:\nPASSAGE: {PASSAGE}\nKEYWORDS: {KEYWORDS}",
        f"```text\nPASSAGE: {PASSAGE}\nKEYWORDS: {KEYWORDS}\n```",
        f"<think>The user wants\nPASSAGE: no</think>PASSAGE: {PASSAGE}\nKEYWORDS: {KEYWORDS}",
        f"the user wants wings</think>\nPASSAGE: {PASSAGE}\nKEYWORDS: {KEYWORDS}",
        f'```json\n{{"passage": "{PASSAGE}", "keywords": ["flutter", "thin wings", "stiffness"]}}\n```',
        f'{{"Passage": "{PASSAGE}", "KEYWORDS": "{KEYWORDS}"}}',
    ],
)
def test_both_kinds_are_found_in_every_form(answer: str) -> None:
    assert found(answer) == BOTH


def test_both_sides_of_a_claim_are_passages() -> None:
    answer = "PASSAGE: It was shown in trials.\nAGAINST: Trials found no effect.\nKEYWORDS: a, b"
    assert [kind for _, kind in found(answer)] == ["passage", "passage", "keywords"]


def test_an_answer_without_labels_is_a_passage() -> None:
    assert found(f"Here is a passage:\n{PASSAGE}") == [(PASSAGE, "passage")]


@pytest.mark.parametrize(
    "answer", ["", "  \n", "<think>I wonder whether", "```\n```", "<thought>x"]
)
def test_nothing_is_found_where_nothing_was_said(answer: str) -> None:
    assert found(answer) == []


def test_broken_json_is_no_failure() -> None:
    assert found('{"passage": "half of it')[0][1] == "passage"
    assert found("{" * 100_000)[0][1] == "passage"
