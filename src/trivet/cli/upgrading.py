"""`trivet upgrade …`: the steps of an upgrade from a shell."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivet.cli import render
from trivet.cli.places import open_existing
from trivet.cli.progress import counting
from trivet.cli.texts_file import opened_texts
from trivet.cli.wording import in_shell
from trivet.errors import InvalidInputError, UpgradeRefusedError, UpgradeStateError
from trivet.index import Index

if TYPE_CHECKING:
    from trivet.drift.choosing import Choice
    from trivet.drift.gates import Verdict
    from trivet.drift.intervals import Estimate
    from trivet.index.upgrade import Upgrade
    from trivet.index.upgrade.values import UpgradeReport

# By the worst verdict of the two modes' best.
EXIT_CODES: dict[Verdict, int] = {"PASS": 0, "REVIEW": 2, "REFUSE": 3}


def plan_upgrade(location: str, to: str | None, texts: Path | None, *, as_json: bool) -> None:
    """Print what an upgrade would cost.

    Args:
        location: folder of the index, or URL/collections/NAME.
        to: name or folder of the newer model; None = of the upgrade under way.
        texts: those that the index does not hold.
        as_json: print JSON and nothing else.

    Raises:
        NotAnIndexError: there is no index.
        UpgradeStateError: no model is named, and no upgrade is under way.
    """
    with opened_texts(texts) as resolver, open_existing(location) as index:
        with render.waiting("Probing the newer model"):
            plan = _upgrade(index, to).plan(text_resolver=resolver)
        _tell(index, asdict(plan), as_json=as_json)


def fit_upgrade(
    location: str,
    to: str | None,
    aim: str | None,
    queries: Path | None,
    texts: Path | None,
    *,
    as_json: bool,
) -> None:
    """Fit the maps, and print which one was chosen from which; arguments as in `plan_upgrade`."""
    asked = [] if queries is None else read_queries(queries)
    with opened_texts(texts) as resolver, open_existing(location) as index:
        with render.waiting("Fitting maps to documents of the index"):
            upgrade = _upgrade(index, to)
            choice = upgrade.fit(aim, queries=asked, text_resolver=resolver)
        _tell(index, _choice(choice), as_json=as_json)


def verify_upgrade(
    location: str,
    to: str | None,
    judged: Path | None,
    page: Path | None,
    texts: Path | None,
    *,
    as_json: bool,
) -> int:
    """Measure and judge an upgrade; the exit code is that of the better mode.

    Args:
        location: as in `plan_upgrade`.
        to: as there.
        judged: a JSON file, {query: {document id: grade}}.
        page: where to write the report as HTML.
        texts: as in `plan_upgrade`.
        as_json: print the report as JSON.
    """
    grades = None if judged is None else _read_judged(judged)
    with opened_texts(texts) as resolver, open_existing(location) as index:
        with render.waiting("Measuring on held-out documents"):
            report = _upgrade(index, to).verify(grades, text_resolver=resolver)
        if page is not None:
            page.write_text(report.to_html(), "utf-8")
        if as_json:
            _tell(index, report.to_json(), as_json=True)
        else:
            _tell(index, _summary(report), as_json=False)
    return min(EXIT_CODES[each.verdict] for each in report.verdicts.values())


def cut_over(
    location: str, to: str | None, mode: str, *, accept_review: bool, force: bool, as_json: bool
) -> int:
    """Let the newer model answer; where its verdict forbids it, the exit code is that one's."""
    with open_existing(location) as index:
        upgrade = _upgrade(index, to)
        try:
            with render.waiting("Changing over"):
                upgrade.cutover(mode, accept_review=accept_review, force=force)  # type: ignore[arg-type]
        except UpgradeRefusedError as error:
            verdict = upgrade.status().verdicts[mode]
            render.complain(f"refused: {in_shell(str(error))}")
            _tell(index, {"mode": mode, "refused": verdict}, as_json=as_json)
            return EXIT_CODES[verdict]
        _tell(index, {"mode": mode}, as_json=as_json)
    return 0


def migrate_index(
    location: str,
    to: str | None,
    rate: float | None,
    budget: float | None,
    texts: Path | None,
    *,
    as_json: bool,
) -> None:
    """Embed documents by the newer model, with progress on a terminal; as in `plan_upgrade`.

    Without an upgrade under way, those that one has left translated.
    """
    with (
        opened_texts(texts) as resolver,
        open_existing(location) as index,
        counting("chunk") as count,
    ):
        about = index.describe()
        is_over = index.current_upgrade is None and to in (None, about.model)
        if is_over and about.translated:
            index.make_native(rate=rate, budget=budget, progress=count, text_resolver=resolver)
            _tell(index, _stable(index), as_json=as_json)
            return
        upgrade = _upgrade(index, to)
        # No search of this process has found a document yet: none is hot.
        upgrade.migrate("id", rate=rate, budget=budget, progress=count, text_resolver=resolver)
        _tell(index, asdict(upgrade.status()), as_json=as_json)


def show_status(location: str, to: str | None, *, as_json: bool) -> None:
    """Print how far the upgrade is; "stable" where none is under way."""
    with open_existing(location) as index:
        if to is None and index.current_upgrade is None:
            fields = _stable(index)
        else:
            fields = asdict(_upgrade(index, to).status())
        _tell(index, fields, as_json=as_json)


def finish_upgrade(
    location: str, to: str | None, grace: float, *, force: bool, as_json: bool
) -> None:
    """Drop the older model's vectors; arguments as in `plan_upgrade` and `Upgrade.finish`."""
    with open_existing(location) as index:
        _upgrade(index, to).finish(grace=grace, force=force)
        _tell(index, {}, as_json=as_json)


def roll_back(location: str, to: str | None, *, as_json: bool) -> None:
    """Go back to the older model; arguments as in `plan_upgrade`."""
    with open_existing(location) as index:
        _upgrade(index, to).rollback()
        _tell(index, {}, as_json=as_json)


def read_queries(file: Path) -> list[str]:
    """One query on each line that is not blank.

    Raises:
        InvalidInputError: bytes that are no UTF-8, or no query at all.
    """
    try:
        queries = [q for q in file.read_text("utf-8-sig").splitlines() if q.strip()]
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"expected queries in UTF-8 in {file}, got {error}") from error
    if not queries:
        raise InvalidInputError(f"expected queries, one a line, in {file}, got none")
    return queries


def _stable(index: Index) -> dict[str, Any]:
    """An index without an upgrade under way; and what the last one has left translated, if any."""
    about = index.describe()
    left = {"translated": about.translated} if about.translated else {}
    return {"state": "stable", "model": about.model, "documents": about.documents, **left}


def _upgrade(index: Index, to: str | None) -> Upgrade:
    """The upgrade to a model, which is not looked for where it is the one under way."""
    current = index.current_upgrade
    if to is None and current is None:
        raise UpgradeStateError(
            "expected an upgrade under way, got none: begin with trivet upgrade plan --to MODEL"
        )
    if current is not None and to in (None, current.generation.model):
        return current
    assert to is not None  # one of the two was said
    return index.upgrade(to)


def _read_judged(file: Path) -> Any:  # noqa: ANN401 - checked by `verify`
    try:
        return json.loads(file.read_text("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"expected JSON as {{query: {{document id: grade}}}} in {file}, got {error}"
        ) from error


def _choice(choice: Choice) -> dict[str, Any]:
    """What was chosen, from what, by what was held out."""
    return {
        "aim": choice.aim,
        "method": choice.drift.method,
        "parameters": dict(choice.drift.parameters),
        "pairs": choice.drift.provenance.pairs,
        "sources": dict(choice.drift.provenance.sources),
        "held_out_documents": len(choice.held),
        "candidates": [
            {
                "method": each.drift.method,
                "cosine": each.cosine,
                "overlap": each.overlap,
                "known_item": each.known_item,
            }
            for each in choice.candidates
        ],
    }


def _summary(report: UpgradeReport) -> dict[str, Any]:
    """What people read first; the whole is in the page and in the JSON."""
    numbers = {"known items, nDCG@10": report.known_item, "judged, nDCG@10": report.judged}
    lines: dict[str, Any] = {"aim": report.aim}
    for name, four in numbers.items():
        if four is not None:
            lines[name] = {way: _estimate(each) for way, each in vars(four).items()}
    if report.unmapped is not None:
        lines["overlap@10, without a map"] = _estimate(report.unmapped)
    for name, kept in (("overlap@10", report.overlap), ("known items kept", report.retention)):
        lines |= {f"{name}, {mode}": _estimate(each) for mode, each in kept.items()}
    for judgements in (report.legs, report.verdicts):
        for name, judgement in judgements.items():
            lines[name] = f"{judgement.verdict}: {'; '.join(judgement.reasons)}"
    return lines


def _estimate(each: Estimate | None) -> str:
    if each is None:
        return "not measured"
    return f"{each.value:.3f} [{each.low:.3f}, {each.high:.3f}] of {each.n}"


def _tell(index: Index, fields: dict[str, Any], *, as_json: bool) -> None:
    """Print what a step said, and the state that it led to."""
    if "state" not in fields:
        current = index.current_upgrade
        fields = {**fields, "state": "over" if current is None else current.state}
    if as_json:
        render.output().print_json(json.dumps(fields, default=str))
        return
    for name, value in fields.items():
        line = render.one_line(f"{name}: {_shown(value)}")
        render.output().print(line, soft_wrap=True, markup=False)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    if value is None or value in ({}, [], ()):
        return "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(_shown(part) for part in value)
    return str(value)
