"""The models of an index: the one that it is of, and the other one of an upgrade under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

from trivet.types import Mode, Space

UpgradeState: TypeAlias = Literal[
    "planned", "fitted", "verified", "refused", "bridged", "translating", "translated",
    "migrating", "ending", "leaving",
]  # fmt: skip
STATES: tuple[UpgradeState, ...] = get_args(UpgradeState)
# In these the newer model is the index's own, and the record's other one is the older.
NATIVE_STATES: tuple[UpgradeState, ...] = ("translated", "migrating", "ending")
# Where the journal keeps the canaries of the model that an index was made with.
FIRST_CANARIES = "canaries"
# Options of loading by which one checkpoint makes vectors of several spaces.
CUTS = ("dims", "layers", "token_pooling", "task")


@dataclass(frozen=True)
class Generation:
    """A model of an index and the legs that it makes.

    Attributes:
        model: the source that the embedder is loaded from again.
        recipe: the options that it is loaded with (JSON).
        spaces: of the legs that the model makes.
        canaries: the name under which the journal keeps its canaries.
    """

    model: str
    recipe: Mapping[str, Any]
    spaces: Mapping[Mode, Space]
    canaries: str = FIRST_CANARIES

    @property
    def cut(self) -> str:
        """What tells it from another cut of the same model, as " (dims=128, layers=4)", or ""."""
        # The dims of a model that somebody else runs are its own.
        told = ("revision",) if "revision" in self.recipe else CUTS
        options = [f"{name}={self.recipe[name]}" for name in told if self.recipe.get(name)]
        return f" ({', '.join(options)})" if options else ""

    @property
    def name(self) -> str:
        """The model as people are told it."""
        return f"{self.model}{self.cut}"

    def to_json(self) -> dict[str, Any]:
        """The generation as a JSON object."""
        return {
            "model": self.model,
            "recipe": dict(self.recipe),
            "spaces": {mode: space.to_json() for mode, space in self.spaces.items()},
            "canaries": self.canaries,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Generation:
        """Read a stored generation; raises ValueError, KeyError or TypeError."""
        spaces = {mode: Space.from_json(space) for mode, space in stored["spaces"].items()}
        return cls(stored["model"], dict(stored["recipe"]), spaces, stored["canaries"])


@dataclass(frozen=True)
class UpgradeRecord:
    """An upgrade under way, as the manifest keeps it.

    Attributes:
        state: how far it is.
        other: the newer model; once its vectors serve, the older one.
        beside: whether every point has vectors of `other`, or is being given them.
        aim: "keep" or "gain"; "" before the fit.
        maps: the names under which the journal keeps what was fitted.
        facts: of the plan and the verdicts (JSON).
    """

    state: UpgradeState
    other: Generation
    beside: bool = False
    aim: str = ""
    maps: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_bridged(self) -> bool:
        """Whether queries are the newer model's, mapped into the space of what is stored."""
        return bool(self.facts.get("bridged")) and self.state in ("bridged", "translating")

    @property
    def serves_other(self) -> bool:
        """Whether queries of `other` can be answered: by a map, or from its own vectors."""
        return self.is_bridged or self.state in NATIVE_STATES

    @property
    def passing(self) -> list[Space]:
        """Spaces of `other` that the engine may hold vectors of."""
        return list(self.other.spaces.values()) if self.beside or self.state == "leaving" else []

    @property
    def beside_spaces(self) -> dict[str, Space]:
        """Spaces that points have vectors of beside those of the index, by vector name."""
        if not self.beside:
            return {}
        return {space.vector_name: space for space in self.other.spaces.values()}

    def at(self, state: UpgradeState, **facts: object) -> UpgradeRecord:
        """The same upgrade in another state, with more facts."""
        return replace(self, state=state, facts={**self.facts, **facts})

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object."""
        return {**asdict(replace(self, other=_NONE)), "other": self.other.to_json()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> UpgradeRecord:
        """Read a stored record; raises ValueError, KeyError or TypeError."""
        if stored["state"] not in STATES:
            raise ValueError(f"expected a state out of {', '.join(STATES)}, got {stored['state']}")
        return cls(**{**stored, "other": Generation.from_json(stored["other"])})


_NONE = Generation("", {}, {})
