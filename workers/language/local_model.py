"""A causal language model of the transformers library, in this process. Loaded when it is first asked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from workers.language.backends import Completion, Label, ModelUnavailable, Stop
from workers.language.prompts import Message

# Only a model of this kind and at least this size may stand in the row of that name.
ROWS = {"PhiForCausalLM": ("Phi-2", 2.0e9), "MistralForCausalLM": ("Mistral-7B", 6.0e9)}
LIVE_PARAMETERS = 1.0e9
TRAINED_HERE = "trained_here.json"  # beside the weights that workers.language.tiny wrote


@dataclass(slots=True, kw_only=True)
class LocalModel:
    """`name` is a directory, or a model of the Hugging Face hub that was fetched before."""

    name: str
    device: torch.device
    max_tokens: int = 600
    _loaded: tuple[Any, Any] | None = field(default=None, repr=False)

    @property
    def identity(self) -> str:
        return f"{self.name} {self._fingerprint()} max_tokens={self.max_tokens} greedy"

    @property
    def label(self) -> Label:
        if (Path(self.name) / TRAINED_HERE).exists():
            return Label.TINY
        return Label.LIVE if self._parameters() >= LIVE_PARAMETERS else Label.TINY

    @property
    def row(self) -> str:
        model = self._load()[1]
        row, least = ROWS.get(type(model).__name__, (self.name, 0.0))
        return row if self.label is Label.LIVE and self._parameters() >= least else f"{Path(self.name).name}"

    def complete(self, messages: Sequence[Message]) -> Completion:
        tokenizer, model = self._load()
        tokens = tokenizer(self._prompt(messages), return_tensors="pt").input_ids.to(self.device)
        with torch.no_grad():
            answer = model.generate(
                tokens,
                attention_mask=torch.ones_like(tokens),
                max_new_tokens=self.max_tokens,
                do_sample=False,
                pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id,
            )[0, tokens.shape[1] :]
        ended = tokenizer.eos_token_id in answer.tolist()
        return Completion(
            text=tokenizer.decode(answer, skip_special_tokens=True),
            stop=Stop.END if ended else Stop.LENGTH,
            input_tokens=tokens.shape[1],
            output_tokens=len(answer),
        )

    def _prompt(self, messages: Sequence[Message]) -> str:
        tokenizer = self._load()[0]
        if tokenizer.chat_template:
            talk = [{"role": one.role, "content": one.content} for one in messages]
            text: str = tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
            return text
        if self.label is Label.TINY:  # it has learned to read the points alone
            return tiny_prompt(messages[-1].content)
        return "\n\n".join(one.content for one in messages) + "\n\nJSON:\n"

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            from transformers import AutoModelForCausalLM, AutoTokenizer

            try:
                tokenizer = AutoTokenizer.from_pretrained(self.name, local_files_only=True)
                model = AutoModelForCausalLM.from_pretrained(self.name, local_files_only=True)
            except (OSError, ValueError) as error:
                first = str(error).strip().splitlines()[0]
                raise ModelUnavailable(
                    f"{self.name} cannot be loaded: {first} (nothing is downloaded: `hf download` fetches it)"
                ) from None
            torch.nn.Module.to(model, self.device).train(False)
            self._loaded = tokenizer, model
        return self._loaded

    def _parameters(self) -> int:
        return sum(one.numel() for one in self._load()[1].parameters())

    def _fingerprint(self) -> str:
        """Tells weights of one place apart that were written at different times."""
        checksum = sum(float(one.detach().double().sum()) for one in self._load()[1].parameters())
        return f"{self._parameters()} parameters, sum {checksum:.6f}"


def tiny_prompt(told: str) -> str:
    return f"{told}\nJSON:\n"
