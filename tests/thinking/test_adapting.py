"""A framework's language model as a thinker: what it is called by, and both ways to ask it."""

from __future__ import annotations

from trivet.thinking import AdaptedThinker, Completion, ThinkRequest

PASSAGE = "An anchor and its chain hold the ship in place in the harbour."
ANSWER = f"PASSAGE: {PASSAGE}\nKEYWORDS: anchor, chain, harbour"


def thinker_of(asked: list[str], stated: object, name: str | None = None) -> AdaptedThinker[list]:
    def ask(prompt: str) -> list:
        asked.append("sync")
        return [ANSWER, 7, 9]

    async def aask(prompt: str) -> list:
        asked.append("async")
        return [ANSWER, 7, 9]

    def read(answer: list) -> Completion:
        return Completion(*answer)

    return AdaptedThinker(ask, aask, read, kind="fake", stated=stated, name=name)


async def test_it_is_asked_as_the_framework_is_asked() -> None:
    asked: list[str] = []
    thinker = thinker_of(asked, {"temperature": 0})
    request = ThinkRequest("what holds a ship")
    for result in (thinker.think(request), await thinker.athink(request)):
        assert [thought.text for thought in result.thoughts] == [PASSAGE, "anchor, chain, harbour"]
        assert (result.usage.input_tokens, result.usage.output_tokens) == (7, 9)
    assert asked == ["sync", "async"]


def test_other_settings_are_another_model_unless_it_is_named() -> None:
    cold, warm = ({"temperature": t} for t in (0, 1))
    assert thinker_of([], cold).fingerprint == thinker_of([], cold).fingerprint
    assert thinker_of([], cold).fingerprint != thinker_of([], warm).fingerprint
    assert thinker_of([], cold).fingerprint.startswith("fake|")
    named = thinker_of([], cold, "m"), thinker_of([], warm, "m")
    assert named[0].fingerprint == named[1].fingerprint
