"""O1 Embedder and local language models, against a generation and a forward pass by hand."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from decoders import build_decoder

import trivet
from trivet.embedding.generating import Sampling, TextGenerator
from trivet.embedding.o1 import TOKENS, O1Checkpoint
from trivet.errors import CheckpointError, InvalidInputError, ModelNotFoundError
from trivet.thinking import Thinker, ThinkRequest, WritingThinker

QUERY = "what keeps a ship in place"
SHORT = Sampling(max_new_tokens=8)


@pytest.fixture(scope="module")
def plain_folder(tmp_path_factory) -> Path:
    return build_decoder(tmp_path_factory.mktemp("o1") / "plain", "qwen2")


@pytest.fixture(scope="module", params=["qwen2", "llama"])
def folder(request, tmp_path_factory) -> Path:
    """A tiny checkpoint with the four tokens; llama's tokenizer begins every text with one of its own."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    begins = "<s>" if request.param == "llama" else None
    made = build_decoder(
        tmp_path_factory.mktemp("o1") / request.param, request.param, begins=begins
    )
    tokenizer = AutoTokenizer.from_pretrained(made)
    if begins:
        tokenizer.bos_token = begins
    tokenizer.add_special_tokens({"additional_special_tokens": list(TOKENS)})
    model = AutoModelForCausalLM.from_pretrained(made)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.save_pretrained(made)
    tokenizer.save_pretrained(made)
    return made


def by_hand(folder: Path, text: str, *, seed: int | None, temperature: float = 0.0) -> np.ndarray:
    """Generate token by token (greedy or drawn), append, take the last state, scale; without a cache."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = tokenizer(f"<query>{text}</query><thought>")["input_ids"]
    with torch.no_grad():
        if seed is not None:
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                for _ in range(8):
                    logits = model(torch.tensor([ids])).logits[0, -1]
                    if temperature:
                        drawn = torch.softmax(logits / temperature, dim=-1)
                        ids = [*ids, int(torch.multinomial(drawn[None], 1))]
                    else:
                        ids = [*ids, int(logits.argmax())]
                    if ids[-1] == tokenizer.eos_token_id:
                        break
            if ids[-1] != tokenizer.eos_token_id:
                ids = [*ids, tokenizer.eos_token_id]
        ids = [*ids, tokenizer.convert_tokens_to_ids("<emb>")]
        states = model(torch.tensor([ids]), output_hidden_states=True).hidden_states[-1][0, -1]
    return (states / states.norm()).numpy()


def test_a_query_without_a_thought_is_the_state_behind_its_prompt(folder) -> None:
    made = O1Checkpoint(folder, sampling=SHORT).embed_queries([QUERY, "anchor"])
    assert np.allclose(made[0], by_hand(folder, QUERY, seed=None), atol=1e-5)
    assert np.allclose(made[1], by_hand(folder, "anchor", seed=None), atol=1e-5)


def test_a_thought_is_generated_appended_and_embedded(folder) -> None:
    o1 = O1Checkpoint(folder, sampling=SHORT)
    made = o1.embed_thinking([QUERY])
    assert np.allclose(made[0], by_hand(folder, QUERY, seed=0), atol=1e-5)
    assert not np.allclose(made, o1.embed_queries([QUERY]), atol=1e-2)
    assert np.array_equal(made, o1.embed_thinking([QUERY]))


def test_several_samples_are_averaged_and_not_scaled_again(folder) -> None:
    drawn = Sampling(max_new_tokens=8, temperature=1.5, seed=3)
    o1 = O1Checkpoint(folder, samples=3, sampling=drawn)
    vectors = [by_hand(folder, QUERY, seed=3 + n, temperature=1.5) for n in range(3)]
    made = o1.embed_thinking([QUERY])[0]
    assert np.allclose(made, np.mean(vectors, axis=0), atol=1e-5)
    assert np.linalg.norm(made) < 1
    assert len(set(o1.thoughts(QUERY))) > 1


def test_documents_are_their_text_alone(folder) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    texts = ["a light anchor", "the storm drove the ship sideways and the crew lost the anchor"]
    made = O1Checkpoint(folder).embed_documents(texts)
    tokenizer, model = (
        AutoTokenizer.from_pretrained(folder),
        AutoModelForCausalLM.from_pretrained(folder),
    )
    for text, vector in zip(texts, made, strict=True):
        ids = [*tokenizer(text)["input_ids"], tokenizer.convert_tokens_to_ids("<emb>")]
        with torch.no_grad():
            state = model.eval()(torch.tensor([ids]), output_hidden_states=True).hidden_states[-1][
                0, -1
            ]
        assert np.allclose(vector, (state / state.norm()).numpy(), atol=1e-5)


def test_an_index_is_the_same_with_and_without_thoughts(folder, tmp_path) -> None:
    o1 = O1Checkpoint(folder, sampling=SHORT)
    calls = {"plain": o1.embed_queries, "thinking": o1.embed_thinking}
    embedders = {
        way: trivet.Embedder.wrap(
            name="o1", dims=o1.dims, documents=lambda texts: o1.embed_documents(texts).tolist(),
            queries=lambda texts, call=call: call(texts).tolist(),
        )
        for way, call in calls.items()
    }  # fmt: skip
    place = tmp_path / "index"
    with trivet.open(place, model=embedders["plain"], modes=["dense"]) as index:
        index.add(["a light anchor", "the bread and the oven"], ids=["a", "b"])
        plain = index.search(QUERY)
    with trivet.open(place, model=embedders["thinking"]) as index:
        thought = index.search(QUERY)
    documents = o1.embed_documents(["a light anchor", "the bread and the oven"])
    query = o1.embed_thinking([QUERY])[0]
    expected = dict(zip("ab", documents @ query / np.linalg.norm(query), strict=True))
    assert {hit.id: hit.score for hit in thought} == pytest.approx(expected, abs=1e-5)
    assert [hit.score for hit in thought] != [hit.score for hit in plain]


def test_a_checkpoint_without_the_tokens_is_refused(plain_folder, tmp_path) -> None:
    with pytest.raises(CheckpointError, match="<query>"):
        O1Checkpoint(plain_folder)
    with pytest.raises(InvalidInputError, match="temperature"):
        O1Checkpoint(plain_folder, samples=3)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="causal language model"):
        O1Checkpoint(tmp_path)
    with pytest.raises(ModelNotFoundError):
        TextGenerator("no-such-owner/no-such-model")
    with pytest.raises(InvalidInputError):
        Sampling(max_new_tokens=0)


def test_a_local_language_model_is_a_thinker(plain_folder) -> None:
    from transformers import AutoTokenizer

    generator = TextGenerator(plain_folder, sampling=SHORT)
    thinker = WritingThinker(generator, name=generator.name)
    assert isinstance(thinker, Thinker)
    request = ThinkRequest(QUERY)
    for result in (thinker.think(request), asyncio.run(thinker.athink(request))):
        assert result.status in ("ok", "partial", "error")  # a random model writes nonsense
        assert result.usage.calls == 1
        assert 1 <= result.usage.output_tokens <= 8
    tokenizer = AutoTokenizer.from_pretrained(plain_folder)
    completion = generator("the anchor and the")
    assert completion.input_tokens == len(tokenizer("the anchor and the")["input_ids"])
    assert completion == generator("the anchor and the")
    assert "max_new_tokens=8" in generator.name


def test_the_conversation_of_a_model_is_used_where_it_has_one(plain_folder) -> None:
    generator = TextGenerator(plain_folder, sampling=SHORT)
    plain = generator("the anchor").input_tokens
    generator.tokenizer.chat_template = (
        "{% for m in messages %}user says {{ m.content }}{% endfor %} now answer"
    )
    assert generator("the anchor").input_tokens > plain
