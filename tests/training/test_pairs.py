"""Pairs: read from files, refused where they cannot be trained on, split without a leak."""

from __future__ import annotations

import gzip
import json

import pytest

from trivet.errors import InvalidInputError, TrainingPairsError
from trivet.training import TrainingPair, TrainingSettings, read_pairs
from trivet.training.pairs import checked_pairs, grouped, split, without_leak

GOOD = {"query": "what holds a ship?", "positive": "an anchor"}


def test_pairs_and_triplets_are_read_packed_or_not(tmp_path):
    rows = [{**GOOD, "source": "passed over"}, {**GOOD, "negative": "a sail"}]
    text = "\n".join(["\ufeff" + json.dumps(rows[0]), "", json.dumps(rows[1])])
    (tmp_path / "p.jsonl").write_text(text, "utf-8")
    (tmp_path / "p.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    pair = TrainingPair("what holds a ship?", "an anchor")
    expected = [pair, TrainingPair(pair.query, pair.positive, "a sail")]
    assert read_pairs(tmp_path / "p.jsonl") == expected
    assert read_pairs(str(tmp_path / "p.jsonl.gz")) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "one JSON object a line"),
        ("[" * 5000, "one JSON object a line"),
        ("[1]", "a JSON object"),
        ('{"query": "a", "text": "b"}', "got 'query, text'"),
        ('{"query": " ", "positive": "b"}', "a query that is a text, got an empty"),
        ('{"query": "a", "positive": 7}', "a positive that is a text, got int"),
        ('{"query": "a", "positive": "b", "negative": ""}', "a negative that is a text"),
        ('{"query": "a", "positive": "\\u0000"}', "NUL"),
    ],
)
def test_a_wrong_line_is_named_by_its_number(tmp_path, line, message):
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps(GOOD) + "\n\n" + line + "\n")
    with pytest.raises(TrainingPairsError, match=f"pairs.jsonl:3: .*{message}"):
        read_pairs(file)


def test_files_that_hold_no_pairs_are_refused(tmp_path):
    (tmp_path / "empty.jsonl").write_text("\n \n")
    (tmp_path / "latin.jsonl").write_bytes(b'{"query": "\xe9"}')
    (tmp_path / "broken.gz").write_bytes(b"no gzip")
    for name, message in (
        ("empty.jsonl", "got none"),
        ("latin.jsonl", "latin.jsonl:1: expected UTF-8"),
        ("broken.gz", "a file to read"),
        ("absent.jsonl", "a file to read"),
    ):
        with pytest.raises(TrainingPairsError, match=message):
            read_pairs(tmp_path / name)


def test_pairs_of_one_kind_are_asked_for():
    pair, triplet = TrainingPair("a", "b"), TrainingPair("a", "b", "c")
    assert checked_pairs(iter([pair])) == (pair,)
    for wrong, message in (
        ([], "got none"),
        ([pair, ("a", "b")], "got tuple at position 1"),
        ([pair, pair, triplet], "position 0 and position 2 differ"),
    ):
        with pytest.raises(TrainingPairsError, match=message):
            checked_pairs(wrong)


def test_a_split_parts_no_pairs_that_share_a_text(make_pairs):
    chain = [("a", "1"), ("b", "1"), ("b", "2"), ("c", "2")]  # the ends share nothing
    pairs = [*make_pairs(40), *(TrainingPair(query, text) for query, text in chain)]
    groups = grouped(pairs)
    assert len(set(groups[-4:])) == 1
    assert len(set(groups)) == 41
    for seed in range(8):
        trained, held = split(pairs, 0.25, seed)
        assert len(trained) + len(held) == 44
        assert 8 <= len(held) <= 11
        for name in ("query", "positive"):
            assert not {getattr(p, name) for p in trained} & {getattr(p, name) for p in held}
    assert split(pairs, 0.25, 3) == split(pairs, 0.25, 3) != split(pairs, 0.25, 4)


@pytest.mark.parametrize("seed", range(6))
def test_pairs_that_all_share_a_text_are_not_held_out_for_them_all(seed):
    """One group of 80 pairs and two alone: most are trained on, whatever is drawn first."""
    same = [TrainingPair("what holds a ship?", f"anchor {i}") for i in range(80)]
    alone = [TrainingPair("what drives it?", "a sail"), TrainingPair("where to?", "a harbour")]
    trained, held = split([*same, *alone], 0.1, seed)
    assert set(held) == set(alone)
    assert len(trained) == 80
    trained, held = split(same + alone[:1], 0.001, seed)
    assert (len(trained), len(held)) == (80, 1)
    pairs = [TrainingPair(f"q{i // 2}", f"d{i}") for i in range(20)]
    assert len(split(pairs, 0.05, seed)[1]) == 2  # no group is as small as the one wanted


def test_given_held_out_pairs_are_not_trained_on():
    pairs = [TrainingPair("a", "1"), TrainingPair("b", "2"), TrainingPair("c", "3")]
    dev = [TrainingPair("a", "9"), TrainingPair("z", "3")]
    assert without_leak(pairs, dev) == (pairs[1],)


def test_a_document_to_find_when_held_out_is_no_negative_in_training():
    pairs = [TrainingPair("a", "1", "9"), TrainingPair("b", "2", "8"), TrainingPair("c", "3", "1")]
    assert without_leak(pairs, [TrainingPair("z", "9", "2")]) == tuple(pairs[1:])


def test_a_split_of_triplets_leaves_no_held_out_document_among_the_negatives():
    """Each document is the negative of the next query, so that any split cuts some apart."""
    pairs = [TrainingPair(f"q{i}", f"d{i}", f"d{(i - 1) % 100}") for i in range(100)]
    trained, held = split(pairs, 0.1, seed=0)
    found = {pair.positive for pair in held}
    assert found
    assert not found & {text for pair in trained for text in (pair.positive, pair.negative)}
    assert len(trained) >= 100 - 2 * len(held)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": 5, "epochs": 1}, "steps or epochs"),
        ({"steps": 0}, "steps of 1"),
        ({"epochs": True}, "epochs of 1"),
        ({"batch_size": 1}, "batch_size of 2"),
        ({"learning_rate": 0.0}, "learning_rate above 0"),
        ({"temperature": float("nan")}, "temperature above 0"),
        ({"dev_share": 0.6}, "at most 0.5"),
        ({"warmup": -0.1}, "warmup between 0 and 1"),
        ({"document_weight": -1.0}, "document_weight between"),
        ({"seed": -1}, "a seed"),
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong, message):
    with pytest.raises(InvalidInputError, match=message):
        TrainingSettings(**wrong)


def test_epochs_are_whole_batches():
    assert TrainingSettings(epochs=3, batch_size=8).steps_of(31) == 9
    assert TrainingSettings(steps=7).steps_of(31) == 7
    assert TrainingSettings().steps_of(31) == 200
