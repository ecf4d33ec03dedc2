"""Explanations as readable text, and as HTML that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from trivet.index.explanation import Explanation, LegShare, Offsets, TokenMatch

TOP = 8
BAR_WIDTH = 24
# Of a token that is shown; the tokenizer leaves a word that it does not know in one piece.
TOKEN_WIDTH = 40
COLOURS = {"dense": "#2b7a9b", "sparse": "#b07a10", "multi": "#9b3f86"}
NOT_FOUND = "  nothing: the plan does not find it"
BEHIND = "none of the plan's candidates, which come first: the score is what it would have"
NAMES = {"dense": "dense", "sparse": "sparse", "multi": "tokens"}
_STYLE = (
    ".trivet{font:14px/1.5 system-ui,sans-serif;max-width:48em;color:#222;background:#fff;"
    "padding:.8em 1em;border:1px solid #ddd;border-radius:6px}"
    ".trivet h4{margin:0 0 .2em;font-size:15px}.trivet p{margin:.2em 0 .6em}"
    ".trivet table{border-collapse:collapse;margin:.2em 0 .8em;background:none;font:inherit;"
    "color:inherit}.trivet tr{background:none}"
    ".trivet .parts{display:flex;flex-wrap:wrap;gap:0 2.5em;align-items:flex-start}"
    ".trivet th,.trivet td{padding:.15em .8em .15em 0;text-align:left;font-weight:normal;"
    "vertical-align:middle;border:0}.trivet th{color:#666;font-size:12px}"
    ".trivet td.n,.trivet th.n{text-align:right;font-variant-numeric:tabular-nums}"
    ".trivet .bar{display:inline-block;height:.8em;border-radius:2px}"
    ".trivet .text{border-left:3px solid #ddd;padding-left:.8em;white-space:pre-wrap}"
    # Of words that are longer than a line.
    ".trivet,.trivet td{overflow-wrap:anywhere}.trivet td.n{white-space:nowrap}"
    ".trivet mark{color:inherit;border-radius:2px;padding:0 1px}.trivet .q{color:#666}"
)


def as_text(explanation: Explanation) -> str:
    """Some lines for a terminal."""
    return "\n".join(_lines(explanation))


def _lines(explanation: Explanation) -> Iterator[str]:
    yield f"{_line(explanation.id)}  {explanation.score:.4f}  for {_line(explanation.query)!r}"
    yield f"plan: {explanation.plan}"
    if not explanation.legs:
        yield NOT_FOUND
    elif not explanation.is_candidate:
        yield BEHIND
    largest = max((abs(share.contribution) for share in explanation.legs), default=0.0)
    for share in explanation.legs:
        bar = "█" * round(BAR_WIDTH * abs(share.contribution) / largest) if largest else ""
        part = f"{NAMES[share.mode]:<7}{share.contribution:+.4f}"
        yield f"  {part}  {bar:<{BAR_WIDTH}}  {_own(share)}"
    for share in explanation.legs:
        if share.terms:
            terms = ", ".join(f"{_token(t.term)} {t.score:.2f}" for t in share.terms[:TOP])
            yield f"terms: {terms}{_more(len(share.terms))}"
        if share.tokens:
            yield "token pairs:"
            for pair in _best(share.tokens):
                yield f"  {pair.cosine:+.3f}  {_token(pair.query_token)} → {_shown(pair)}"
    yield f"text [{_place(explanation.span)}]: {_line(explanation.text)}"


def as_html(explanation: Explanation) -> str:
    """A fragment with its own style, without scripts or anything from elsewhere."""
    parts = [
        f"<style>{_STYLE}</style><div class='trivet'>",
        f"<h4>{_isolated(explanation.id)} · {explanation.score:.4f}</h4>",
        f"<p class='q'>for “{_isolated(explanation.query)}” · {escape(explanation.plan)}</p>",
        f"<p><b>{BEHIND}</b></p>" if explanation.legs and not explanation.is_candidate else "",
        _legs_table(explanation) if explanation.legs else f"<p>{NOT_FOUND}</p>",
        "<div class='parts'>",
        *(_details(share) for share in explanation.legs),
        "</div>",
        f"<p class='q'>characters {_place(explanation.span)} of the document</p>",
        f"<div class='text' dir='auto'>{_marked(explanation)}</div></div>",
    ]
    return "".join(parts)


def _legs_table(explanation: Explanation) -> str:
    largest = max((abs(share.contribution) for share in explanation.legs), default=0.0)
    rows = []
    for share in explanation.legs:
        width = 12 * abs(share.contribution) / largest if largest else 0.0
        bar = f"<span class='bar' style='width:{width:.2f}em;background:{COLOURS[share.mode]}'>"
        rows.append(
            f"<tr><td>{NAMES[share.mode]}</td><td class='n'>{share.contribution:+.4f}</td>"
            f"<td>{bar}</span></td><td>{escape(_own(share))}</td></tr>"
        )
    head = "<tr><th>leg</th><th class='n'>adds</th><th></th><th>its own score</th></tr>"
    return f"<table>{head}{''.join(rows)}</table>"


def _details(share: LegShare) -> str:
    if share.terms:
        rows = (
            f"<tr><td>{_isolated(_token(t.term))}</td><td class='n'>{t.score:.3f}</td></tr>"
            for t in share.terms[:TOP]
        )
        return f"<table><tr><th>term</th><th class='n'>score</th></tr>{''.join(rows)}</table>"
    if share.tokens:
        rows = (
            f"<tr><td>{_isolated(_token(pair.query_token))}</td>"
            f"<td>→ {_isolated(_token(pair.document_token))}{_where(pair)}</td>"
            f"<td class='n'>{pair.cosine:+.3f}</td></tr>"
            for pair in _best(share.tokens)
        )
        head = "<tr><th>query token</th><th>chunk token</th><th class='n'>cosine</th></tr>"
        return f"<table>{head}{''.join(rows)}</table>"
    return ""


def _marked(explanation: Explanation) -> str:
    """The chunk, with the tokens that answer the query's set off by how near they are."""
    share = explanation.leg("multi")
    nearest: dict[tuple[int, int], float] = {}
    for pair in () if share is None else share.tokens:
        if pair.span is not None:
            nearest[pair.span] = max(pair.cosine, nearest.get(pair.span, 0.0))
    parts, at = [], 0
    for (start, end), cosine in sorted(nearest.items()):
        if start < at:  # pieces of one character, as byte-level tokenizers cut
            continue
        strength = min(1.0, max(0.0, cosine))
        word = escape(explanation.text[start:end])
        parts.append(escape(explanation.text[at:start]))
        parts.append(
            f"<mark style='background:rgba(155,63,134,{strength**2 / 2:.2f})'>{word}</mark>"
        )
        at = end
    return "".join([*parts, escape(explanation.text[at:])])


def _own(share: LegShare) -> str:
    """What the leg itself says."""
    own = "did not find it" if share.score is None else f"{share.score:.4f}"
    return own if share.rank is None else f"{own}, rank {share.rank}"


def _best(tokens: tuple[TokenMatch, ...]) -> list[TokenMatch]:
    return sorted(tokens, key=lambda pair: -pair.cosine)[:TOP]


def _shown(pair: TokenMatch) -> str:
    return f"{_token(pair.document_token)}{_where(pair)}"


def _where(pair: TokenMatch) -> str:
    return "" if pair.span is None else f" [{_place(pair.span)}]"


def _place(span: Offsets) -> str:
    return f"{span[0]}:{span[1]}"


def _isolated(text: str) -> str:
    """A text whose writing direction does not turn what stands beside it."""
    return f"<bdi>{escape(text)}</bdi>"


def _more(count: int) -> str:
    return f" and {count - TOP} more" if count > TOP else ""


def _token(text: str) -> str:
    line = _line(text)
    return line if len(line) <= TOKEN_WIDTH else f"{line[: TOKEN_WIDTH - 1]}…"


def _line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
