"""What an upgrade tells its caller: the plan, the report, the status."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any, Literal, TypeAlias

from trivet.drift.choosing import Aim
from trivet.drift.gates import Judgement, Verdict
from trivet.drift.intervals import Estimate
from trivet.store.generations import UpgradeState
from trivet.types import Mode

UpgradeMode: TypeAlias = Literal["query", "translate"]
MODES: tuple[UpgradeMode, ...] = ("query", "translate")


@dataclass(frozen=True)
class UpgradePlan:
    """What an upgrade would cost, and what is recommended.

    Attributes:
        documents: of the index.
        chunks: of the index: so many texts a migration embeds.
        tokens: of all chunks by the newer model, estimated from a sample.
        seconds: to embed them on this machine, estimated from the sample.
        size_bytes: of the newer vectors, dense and of tokens, which lie beside the old ones until
            the upgrade ends.
        overlap: @10 between the old rankings and those of the newer model's vectors as they are;
            None where the dims differ.
        aim: "keep" where that is half or more (the same model, drifted), else "gain".
        mode: "query" for "keep", "translate" for "gain".
        unmapped: legs beside the dense one that drop out of compensated searches, each with the
            reason and the ways out; among them those that the newer model does not make, which
            `finish` drops.
    """

    documents: int
    chunks: int
    tokens: int
    seconds: float
    size_bytes: int
    overlap: float | None
    aim: Aim
    mode: UpgradeMode
    unmapped: Mapping[Mode, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Numbers:
    """nDCG@10 of one set of queries on one sample of the index, four ways.

    Attributes:
        old: the older model, or None where it is not at hand.
        compensated: the newer model's queries, mapped to the stored vectors.
        translated: the newer model's queries on the stored vectors, translated.
        reembedded: the newer model on both sides.
    """

    old: Estimate | None
    compensated: Estimate
    translated: Estimate
    reembedded: Estimate


@dataclass(frozen=True)
class Change:
    """A held-out span whose results differ much: the best chunk by the old model, and now."""

    query: str
    old: str
    new: str


@dataclass(frozen=True)
class UpgradeReport:
    """What was measured of an upgrade, and what follows.

    Attributes:
        aim: what the maps were fitted for.
        known_item: short spans as queries, each of which has one document to find.
        judged: the caller's judged queries; None without them.
        overlap: of each mode, the share of the old model's 10 best that are found.
        retention: of each mode, known-item quality over the old model's; empty without it.
        verdicts: of each mode.
        models: labels of the old and the new one.
        changes: the spans whose compensated results differ most from the old ones.
        legs: on the legs beside the dense one that the model makes; one that does not pass drops
            out of compensated searches.
        unmapped: the share of the old model's 10 best that are found without any map; None where
            dims differ.
    """

    aim: Aim
    known_item: Numbers
    judged: Numbers | None
    overlap: Mapping[UpgradeMode, Estimate]
    retention: Mapping[UpgradeMode, Estimate]
    verdicts: Mapping[UpgradeMode, Judgement]
    models: tuple[str, str] = ("", "")
    changes: tuple[Change, ...] = ()
    legs: Mapping[Mode, Judgement] = field(default_factory=dict)
    unmapped: Estimate | None = None

    def to_html(self) -> str:
        """The report as one page with plots, which opens without a network."""
        from trivet.index.upgrade.page import report_page

        return report_page(self, f"{self.models[0]} → {self.models[1]}")

    def _repr_html_(self) -> str:
        """The page in a frame, as notebooks show it: its style is its own."""
        page = escape(self.to_html())
        return f'<iframe srcdoc="{page}" style="width:100%;height:40rem;border:0"></iframe>'

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON object; a ratio to nothing, which is infinite, as null."""
        return asdict(self, dict_factory=_as_json)


def _as_json(fields: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The fields of a value; JSON knows no infinity."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in fields
    }


@dataclass(frozen=True)
class UpgradeStatus:
    """How far an upgrade is.

    Attributes:
        state: as drawn in docs/architecture.md.
        model: the newer model's source, and after it the dims and layers that it is cut to, if any.
        aim: "" before the fit.
        verdicts: of each mode, once verified.
        documents: of the index.
        native: documents that have vectors of the newer model itself.
        textless: documents with translated vectors whose text is not in the index: they stay so
            unless `migrate` is given a text_resolver.
    """

    state: UpgradeState
    model: str
    aim: str
    verdicts: Mapping[str, Verdict]
    documents: int
    native: int
    textless: int
