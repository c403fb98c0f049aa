"""A tiny Phi, trained here in seconds: it proves the road of a local model, and nothing of Phi-2's ability.

It reads what a prompt tells, letter by letter, and learns to answer with the family in JSON.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PhiConfig, PhiForCausalLM, PreTrainedTokenizerFast

from workers.language.answers import SLOTS
from workers.language.local_model import TRAINED_HERE, tiny_prompt
from workers.language.prompts import told
from workers.language.scoring import Subject, true_slots
from workers.runtime.atomic import replace_json

ALPHABET = [chr(code) for code in range(32, 127)] + ["\n"]
_IGNORED = -100


def train_tiny(
    directory: Path, subjects: Sequence[Subject], *, shown: int, steps: int, seed: int = 0, batch: int = 16
) -> float:
    """Write weights and tokenizer into `directory` and return the last loss; no steps leave it untrained."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    tokenizer = _tokenizer()
    texts = [(tiny_prompt(told(one, shown)), _answer(one)) for one in subjects]
    longest = max(len(prompt) + len(answer) for prompt, answer in texts) + 1
    model = _model(tokenizer, longest)
    optimizer = torch.optim.AdamW(model.parameters(), 4e-3)
    last = float("nan")
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 4e-3 * (1 - step / steps)
        chosen = [texts[row] for row in rng.integers(len(texts), size=batch)]
        tokens, labels = _batch(tokenizer, chosen)
        loss = model(input_ids=tokens, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        last = float(loss.item())
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    replace_json(directory / TRAINED_HERE, {"steps": steps, "seed": seed, "samples": len(texts)})
    return last


def _answer(subject: Subject) -> str:
    truths = true_slots(subject)
    slots = {name: truths[name] for name in SLOTS}
    return json.dumps({"family": subject.family, "description": slots})


def _tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {letter: number for number, letter in enumerate(["<end>", "<unknown>", *ALPHABET])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unknown>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("[\\s\\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, eos_token="<end>", pad_token="<end>", unk_token="<unknown>"
    )


def _model(tokenizer: PreTrainedTokenizerFast, longest: int) -> PhiForCausalLM:
    return PhiForCausalLM(
        PhiConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=max(512, 2 * longest),
            resid_pdrop=0.0,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def _batch(
    tokenizer: PreTrainedTokenizerFast, texts: Sequence[tuple[str, str]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return tokens and labels (B, L); only the answer and its end are to be learned."""
    rows, labels = [], []
    for prompt, answer in texts:
        before, after = tokenizer(prompt).input_ids, tokenizer(answer).input_ids
        rows.append([*before, *after, tokenizer.eos_token_id])
        labels.append([*[_IGNORED] * len(before), *after, tokenizer.eos_token_id])
    length = max(map(len, rows))
    padding = tokenizer.eos_token_id
    return (
        torch.tensor([[*row, *[padding] * (length - len(row))] for row in rows]),
        torch.tensor([[*row, *[_IGNORED] * (length - len(row))] for row in labels]),
    )
