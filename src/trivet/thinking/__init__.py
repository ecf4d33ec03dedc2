"""The room where queries are thought about: thinkers, what they are asked, and what is kept."""

from trivet.generation import Completion
from trivet.thinking.caching import Cached
from trivet.thinking.combine import Weights
from trivet.thinking.given import Given
from trivet.thinking.interface import Thinker, ThinkRequest, ThinkResult, Thought, Usage
from trivet.thinking.replay import Recording, Replay
from trivet.thinking.report import JudgedThought, Thinking, ThoughtReport
from trivet.thinking.wrappers import Budgeted, Gated
from trivet.thinking.writing import WritingThinker

__all__ = [
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
