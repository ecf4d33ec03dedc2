"""What an error tells a caller in Python to do, as the command that does it."""

from __future__ import annotations

import re

# Of messages of the library: what stands in them, and what somebody in a shell is told.
PHRASES = tuple(
    (re.compile(said), command)
    for said, command in (
        # Steps of an upgrade.
        (r"index\.upgrade\(model\)\.plan\(\)", "trivet upgrade plan --to MODEL"),
        (r"next comes (fit|verify|cutover|migrate|rollback)\b", r"next comes trivet upgrade \1"),
        (r"\bcutover\('(\w+)', accept_review=True\)", r"trivet upgrade cutover \1 --accept-review"),
        (r"\bcutover\('(\w+)', force=True\)", r"trivet upgrade cutover \1 --force"),
        (r"for cutover\('(\w+)'\)", r"for trivet upgrade cutover \1"),
        (r"verify with judged queries", "trivet upgrade verify --judged FILE"),
        (r": leave judged out", ": leave --judged out"),
        (r"migrate the others", "run trivet upgrade migrate for the others"),
        (r"finish\(force=True\)", "trivet upgrade finish --force"),
        (r"for index\.make_native\(\) later", "for trivet upgrade migrate later"),
        (r"index\.make_native\(\)", "trivet upgrade migrate"),
        (r"call of make_native", "call of trivet upgrade migrate"),
        (r"or roll the upgrade back", "or run trivet upgrade rollback"),
        (r"finish it or roll it back \(index\.current_upgrade\)",
         "run trivet upgrade finish or trivet upgrade rollback first"),
        (r"go on with it \(index\.current_upgrade\), or roll it back",
         "go on with it (trivet upgrade status), or run trivet upgrade rollback"),
        (r"go on with it, or roll it back \(index\.current_upgrade\)",
         "go on with it (trivet upgrade status), or run trivet upgrade rollback"),
        (r"use index\.current_upgrade$", "leave --to out, or run trivet upgrade rollback first"),
        (r"index\.current_upgrade\.rollback\(\)", "trivet upgrade rollback"),
        (r"index\.current_upgrade(\.status\(\))?", "trivet upgrade status"),
        (r"fit again$", "run trivet upgrade fit again"),
        (r"or go on to finish, or roll back", "or run trivet upgrade finish, or rollback"),
        (r"or go on with migrate, after which", "or run trivet upgrade migrate, after which"),
        (r"open the index with trivet\.open\(…, model=\) from where it is now, ", ""),
        (r"open the index with model=None or with that model",
         "put that model back where it was, or name it"),
        # Collections that something else has made, and texts that are kept elsewhere.
        (r"hand in text_resolver", "name a file of them with --texts"),
        (r"give another collection= \(in a shell (\S+)\), adopt it \(trivet\.adopt\), or copy it",
         r"name another collection, \1, or copy it"),
        (r"give another collection=", "name another collection"),
        (r"than (.*): name another place$", r"than \1: name another place with --index"),
        (r'say Lexical\("en"\)', "say it, as in --bm25 en"),
        (r"name the keys by content_key and metadata_key",
         "in Python, trivet.adopt is told other keys"),
        (r"make an index with trivet\.open", "make an index with trivet index"),
        (r"anew with trivet\.open", "anew with trivet index"),
        (r"index of Trivet: use trivet\.open",
         "index of Trivet: it is upgraded as it is, with trivet upgrade plan --index"),
        (r"to take for vector, got (.*): name it$",
         r"to take for vector, got \1: name it with --vector"),
        (r"add some first$", "add some first, with trivet index"),
    )
)  # fmt: skip


def in_shell(message: str) -> str:
    """A message of the library with commands in the place of calls."""
    for said, command in PHRASES:
        message = said.sub(command, message)
    return message
