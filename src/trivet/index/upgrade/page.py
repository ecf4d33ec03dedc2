"""The report of an upgrade as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from trivet.drift.gates import LEAST_KNOWN_ITEM, least_overlap
from trivet.drift.intervals import Estimate
from trivet.index.upgrade.values import Change, Numbers, UpgradeReport

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;
border-bottom:1px solid #ddd;vertical-align:top}.PASS{color:#17692f}.REVIEW{color:#8a5a00}
.REFUSE{color:#a31515}svg{width:100%;height:auto}q{quotes:none}
h1,td{overflow-wrap:anywhere}h1{font-size:1.6rem}td:first-child{min-width:9rem}
td b{white-space:nowrap}.changes{table-layout:fixed}
"""
# Of a plot, in its own units.
_LEFT, _WIDTH, _ROW, _SPARE = 285, 320, 30, 150
_LEGS = {"multi": "token vectors", "sparse": "learned sparse vectors"}
_MODES = {"query": "compensated queries", "translate": "translated vectors"}


def report_page(report: UpgradeReport, title: str) -> str:
    """The page; whatever comes from documents or queries is escaped.

    Args:
        report: to show.
        title: names the two models.
    """
    parts = [
        f"<h1>{escape(title)}</h1><p>Aim: <b>{escape(report.aim)}</b></p>",
        _verdicts(report),
        "<h2>nDCG@10 of known items, by dense vectors</h2>"
        f"<p>{report.known_item.reembedded.n} spans of documents that no map was fitted to, each "
        "of which has its document to find.</p>" + _plot(_rows(report.known_item)),
    ]
    if report.judged is not None:
        parts.append(
            "<h2>nDCG@10 of judged queries, by dense vectors</h2>"
            f"<p>{report.judged.reembedded.n} of your own, on the sampled and the judged documents."
            "</p>" + _plot(_rows(report.judged))
        )
    if report.known_item.old is None:
        parts.append("<p>The old model is not at hand: nothing could be measured of it.</p>")
    kept = {} if report.unmapped is None else {"overlap, queries without a map": report.unmapped}
    kept |= {f"overlap, {_MODES[mode]}": each for mode, each in report.overlap.items()}
    kept |= {f"known items kept, {_MODES[mode]}": each for mode, each in report.retention.items()}
    parts.append("<h2>Against the old model</h2>" + _plot(kept, _gates(report)))
    if report.aim == "keep":
        parts.append("<p>Dashed: what the lower end of an interval has to reach.</p>")
    if report.changes:
        parts.append(_changes(report.changes))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _verdicts(report: UpgradeReport) -> str:
    every = {_MODES[mode]: each for mode, each in report.verdicts.items()}
    every |= {f"{_LEGS[leg]}, compensated": each for leg, each in report.legs.items()}
    rows = "".join(
        f'<tr><td>{name}</td><td class="{each.verdict}"><b>{each.verdict}</b></td>'
        f"<td>{escape('; '.join(each.reasons))}</td></tr>"
        for name, each in every.items()
    )
    return f"<table><tr><th>mode</th><th>verdict</th><th>because</th></tr>{rows}</table>"


def _gates(report: UpgradeReport) -> dict[str, float]:
    """By bar, what has to be reached; to gain, nothing of the old model's has to be kept."""
    if report.aim != "keep":
        return {}
    least = least_overlap(report.unmapped)
    gates = {f"overlap, {_MODES[mode]}": least for mode in report.overlap}
    kept = {f"known items kept, {_MODES[mode]}": LEAST_KNOWN_ITEM for mode in report.retention}
    return gates | kept


def _rows(numbers: Numbers) -> dict[str, Estimate]:
    every = {
        "old model": numbers.old,
        "compensated queries": numbers.compensated,
        "translated vectors": numbers.translated,
        "embedded anew": numbers.reembedded,
    }
    return {name: each for name, each in every.items() if each is not None}


def _plot(rows: Mapping[str, Estimate], gates: Mapping[str, float] | None = None) -> str:
    """Bars from 0, each with its value, its 95 % interval, and what it has to reach."""
    most = max(1.0, *(min(each.high, 2.0) for each in rows.values()))
    bars = [
        _bar(name, each, position * _ROW, most, (gates or {}).get(name))
        for position, (name, each) in enumerate(rows.items())
    ]
    size = f"0 0 {_LEFT + _WIDTH + _SPARE} {len(rows) * _ROW}"
    told = "; ".join(f"{name} {each.value:.3f}" for name, each in rows.items())
    return f'<svg viewBox="{size}" role="img" aria-label="{escape(told)}">{"".join(bars)}</svg>'


def _bar(name: str, each: Estimate, y: int, most: float, gate: float | None) -> str:
    value, low, high = (_x(end, most) for end in (each.value, each.low, each.high))
    label = f"{each.value:.3f} [{each.low:.3f}, {each.high:.3f}]"
    parts = [
        f'<text x="0" y="{y + 18}" font-size="13">{escape(name)}</text>',
        f'<rect x="{_LEFT}" y="{y + 5}" width="{value - _LEFT:.1f}" height="18" fill="#9bbbe0"/>',
        f'<path d="M{low:.1f} {y + 14}H{high:.1f}M{low:.1f} {y + 10}v8M{high:.1f} {y + 10}v8" '
        'stroke="#222" stroke-width="1.5" fill="none"/>',
        f'<text x="{_LEFT + _WIDTH + 10}" y="{y + 18}" font-size="12">{label}</text>',
    ]
    if gate is not None:
        parts.append(
            f'<path d="M{_x(gate, most):.1f} {y + 1}v26" stroke="#a31515" stroke-width="1.5" '
            'stroke-dasharray="4 3" fill="none"/>'
        )
    return "".join(parts)


def _x(value: float, most: float) -> float:
    return _LEFT + _WIDTH * min(max(value, 0.0), most) / most


def _changes(changes: Sequence[Change]) -> str:
    rows = "".join(
        f'<tr><td dir="auto"><q>{escape(each.query)}</q></td>'
        f'<td dir="auto">{escape(each.old)}</td><td dir="auto">{escape(each.new)}</td></tr>'
        for each in changes
    )
    return (
        '<h2>Where compensated queries differ most</h2><table class="changes"><tr><th>span</th>'
        f"<th>best by the old model</th><th>best now</th></tr>{rows}</table>"
    )
