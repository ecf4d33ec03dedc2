"""The room where queries are thought about: thinkers, what they are asked, and what is kept.

Its names are loaded when they are first asked for: most searches never think.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trivet.generation import Completion
    from trivet.thinking.adapting import AdaptedThinker
    from trivet.thinking.caching import Cached
    from trivet.thinking.combine import Weights
    from trivet.thinking.given import Given
    from trivet.thinking.interface import Thinker, ThinkRequest, ThinkResult, Thought, Usage
    from trivet.thinking.replay import Recording, Replay
    from trivet.thinking.report import JudgedThought, Thinking, ThoughtReport
    from trivet.thinking.wrappers import Budgeted, Gated
    from trivet.thinking.writing import WritingThinker

_HOMES = {
    "AdaptedThinker": "trivet.thinking.adapting",
    "Completion": "trivet.generation",
    "Cached": "trivet.thinking.caching",
    "Weights": "trivet.thinking.combine",
    "Given": "trivet.thinking.given",
    **dict.fromkeys(
        ("Thinker", "ThinkRequest", "ThinkResult", "Thought", "Usage"), "trivet.thinking.interface"
    ),
    **dict.fromkeys(("Recording", "Replay"), "trivet.thinking.replay"),
    **dict.fromkeys(("JudgedThought", "Thinking", "ThoughtReport"), "trivet.thinking.report"),
    **dict.fromkeys(("Budgeted", "Gated"), "trivet.thinking.wrappers"),
    "WritingThinker": "trivet.thinking.writing",
}

__all__ = [
    "AdaptedThinker",
    "Budgeted",
    "Cached",
    "Completion",
    "Gated",
    "Given",
    "JudgedThought",
    "Recording",
    "Replay",
    "ThinkRequest",
    "ThinkResult",
    "Thinker",
    "Thinking",
    "Thought",
    "ThoughtReport",
    "Usage",
    "Weights",
    "WritingThinker",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401  (whatever is public here)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
