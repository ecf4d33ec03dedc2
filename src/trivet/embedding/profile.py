"""Facts about a family of models that their checkpoints do not state, read from small files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from trivet.embedding.prompts import FewShot, Task, Template, parse_template
from trivet.embedding.spec import POOLING_MODES, EncoderSpec
from trivet.errors import InstructionError, InvalidInputError

_FOLDER = Path(__file__).parent / "profiles"
_ATTENTION = ("causal", "bidirectional")
_SIDES = ("query", "document")
# What a file may hold, and of which JSON type.
_KEYS: Mapping[str, type] = {
    "family": str,
    "models": list,
    "source": str,
    "tasks": dict,
    "few_shot": dict,
    "pooling": str,
    "attention": str,
    "eos": str,
    "normalise": bool,
    "mask_prompt": bool,
    "architecture": str,
}
# Those that say how a model computes.
_FACTS = ("pooling", "attention", "eos", "normalise", "mask_prompt", "architecture")
_TASK_KEYS = (*_SIDES, "instruction", "title")


@dataclass(frozen=True)
class Profile:
    """What a family of models wants that its checkpoints do not state.

    Every field but the family may be left out: then the checkpoint's own files decide.

    Attributes:
        family: its name.
        models: the hub repositories that it holds for, exactly.
        tasks: the wordings of each task.
        few_shot: how examples are shown.
        pooling: a mode of pooling token states, where the checkpoint has a dense leg.
        attention: "causal" or "bidirectional".
        eos: the token that ends every text.
        normalise: whether vectors are scaled to length 1.
        mask_prompt: whether a prompt's tokens stay out of the pooling.
        architecture: the model type of transformers that runs the weights, where a checkpoint
            names code of its own for that.
    """

    family: str
    models: tuple[str, ...] = ()
    tasks: Mapping[str, Task] = field(default_factory=dict)
    few_shot: FewShot | None = None
    pooling: str | None = None
    attention: str | None = None
    eos: str | None = None
    normalise: bool | None = None
    mask_prompt: bool | None = None
    architecture: str | None = None

    @classmethod
    def read(cls, file: Path) -> Profile:
        """Read a profile from a JSON file.

        Raises:
            InvalidInputError: it is missing, no JSON object, or holds what a profile cannot.
        """
        try:
            stored = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InvalidInputError(f"expected a profile in {file}, got {error}") from error
        return cls.from_json(stored, str(file))

    @classmethod
    def from_json(cls, stored: object, place: str) -> Profile:
        """Read a profile from a JSON object; errors as in `read`, which name its place."""
        if not isinstance(stored, dict) or "family" not in stored:
            raise InvalidInputError(f'expected a JSON object with a "family" in {place}')
        _require_known(stored, place)
        try:
            return _from_json(stored)
        except (InstructionError, TypeError) as error:
            raise InvalidInputError(f"expected a profile in {place}, got: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """The JSON object that it can be read from.

        Raises:
            InvalidInputError: a task that was put together in code and that no file can hold.
        """
        facts = {name: getattr(self, name) for name in _FACTS}
        return {
            "family": self.family,
            "models": list(self.models),
            "tasks": {name: _task_json(task) for name, task in self.tasks.items()},
            **({} if self.few_shot is None else {"few_shot": asdict(self.few_shot)}),
            **{name: fact for name, fact in facts.items() if fact is not None},
        }

    @property
    def states_wordings_alone(self) -> bool:
        """Whether it says nothing of how a model computes."""
        return all(getattr(self, name) is None for name in _FACTS)

    def applied(self, spec: EncoderSpec) -> EncoderSpec:
        """The spec of a checkpoint, with what the profile states in place of the checkpoint."""
        if self.pooling is not None and spec.pooling:  # no profile makes a leg out of nothing
            spec = replace(spec, pooling=(self.pooling,))
        if self.normalise is not None:
            spec = replace(spec, normalise=self.normalise)
        if self.mask_prompt is not None:
            spec = replace(spec, include_prompt=not self.mask_prompt)
        return spec


def find_profile(
    chosen: str | os.PathLike[str] | Mapping[str, Any] | Profile | None, model: str
) -> Profile | None:
    """The profile of a model.

    Args:
        chosen: a profile, a file or a JSON object that holds one, or the name of a family that is
            shipped; None = the shipped one that names the model, if there is one.
        model: a hub repository, exactly; a folder has none.

    Raises:
        InvalidInputError: no such family or file.
    """
    if isinstance(chosen, Profile):
        return chosen
    if isinstance(chosen, Mapping):
        return Profile.from_json(dict(chosen), "the profile that the index keeps")
    shipped = shipped_profiles()
    if chosen is None:
        return next((p for p in shipped.values() if model in p.models), None)
    if isinstance(chosen, str) and chosen in shipped:
        return shipped[chosen]
    if not isinstance(chosen, (str, os.PathLike)) or not Path(chosen).is_file():
        raise InvalidInputError(
            f"expected a profile: a JSON file, or a family out of {', '.join(sorted(shipped))}; "
            f"got {chosen!r}"
        )
    return Profile.read(Path(chosen))


@lru_cache(maxsize=1)
def shipped_profiles() -> Mapping[str, Profile]:
    """The profiles that this library brings along, by family."""
    profiles = [Profile.read(file) for file in sorted(_FOLDER.glob("*.json"))]
    return {profile.family: profile for profile in profiles}


def _from_json(stored: Mapping[str, Any]) -> Profile:
    few_shot = stored.get("few_shot")
    return Profile(
        family=stored["family"],
        models=tuple(stored.get("models", ())),
        tasks={name: _task(task) for name, task in stored.get("tasks", {}).items()},
        few_shot=None if few_shot is None else FewShot(**few_shot),
        pooling=stored.get("pooling"),
        attention=stored.get("attention"),
        eos=stored.get("eos"),
        normalise=stored.get("normalise"),
        mask_prompt=stored.get("mask_prompt"),
        architecture=stored.get("architecture"),
    )


def _task(stored: Mapping[str, str]) -> Task:
    facts = {key: stored[key] for key in ("instruction", "title") if key in stored}
    query, document = (
        parse_template(stored[side], **facts) if side in stored else Template() for side in _SIDES
    )
    return Task(query, document)


def _task_json(task: Task) -> dict[str, str]:
    """What `_task` reads it from.

    Raises:
        InvalidInputError: its two sides are filled in differently, which no file can say.
    """
    stored: dict[str, str] = {}
    for side, template in zip(_SIDES, (task.query, task.document), strict=True):
        if template != Template():
            stored[side] = f"{template.prefix}{{text}}{template.suffix}"
            stored |= {"instruction": template.instruction} if template.instruction else {}
            stored |= {"title": template.title} if template.title != Template().title else {}
    if _task(stored) != task:
        raise InvalidInputError(
            f"expected a task that a profile's file can hold, got {task!r}: give both sides the "
            "same instruction, if they take one, and the same title"
        )
    return stored


def _require_known(stored: Mapping[str, Any], place: str) -> None:
    for key, value in stored.items():
        if key not in _KEYS or not isinstance(value, _KEYS[key]):
            known = ", ".join(f"{name} ({kind.__name__})" for name, kind in _KEYS.items())
            raise InvalidInputError(f"expected in {place} only {known}; got {key}: {value!r}")
    if stored.get("attention", "causal") not in _ATTENTION:
        raise InvalidInputError(
            f"expected as attention one of {', '.join(_ATTENTION)} in {place}, got "
            f"{stored['attention']!r}"
        )
    if stored.get("pooling", "mean") not in POOLING_MODES:
        raise InvalidInputError(
            f"expected as pooling one of {', '.join(POOLING_MODES)} in {place}, got "
            f"{stored['pooling']!r}"
        )
    for name in ("models", "few_shot"):
        held = stored.get(name, ())
        texts = held.values() if isinstance(held, dict) else held
        if not all(isinstance(text, str) for text in texts):
            raise InvalidInputError(f"expected texts as {name} in {place}, got {held!r}")
    for name, task in stored.get("tasks", {}).items():
        known_task = isinstance(task, dict) and all(
            key in _TASK_KEYS and isinstance(value, str) for key, value in task.items()
        )
        if not known_task:
            raise InvalidInputError(
                f"expected the task {name!r} in {place} to hold texts under "
                f"{', '.join(_TASK_KEYS)}, got {task!r}"
            )
