"""Components that are called by the name of a model or a service, and use neither."""

from __future__ import annotations

import re
from collections.abc import Iterable

from orchestrator.source.facts import Class, Facts
from orchestrator.source.index import Definition, Index
from orchestrator.source.listing import SourceFile
from orchestrator.source.naming import plain, words, words_of

_HTTP = {
    "requests",
    "httpx",
    "aiohttp",
    "urllib",
    "urllib3",
    "http",
    "websockets",
    "websocket",
    "grpc",
    "socket",
    "pycurl",
}
_SWITCHBOARDS = {
    "litellm",
    "langchain",
    "langchain_core",
    "langchain_openai",
    "langchain_community",
    "llama_index",
}
_SWITCHBOARDS |= {
    "instructor",
    "dspy",
    "haystack",
    "semantic_kernel",
    "pydantic_ai",
    "boto3",
    "subprocess",
    "azure",
}
_SWITCHBOARDS |= {
    "langchain_anthropic",
    "langchain_mistralai",
    "portkey_ai",
    "guidance",
    "outlines",
    "aisuite",
    "agents",
}
_LOCAL = {
    "transformers",
    "vllm",
    "llama_cpp",
    "ctransformers",
    "onnxruntime",
    "optimum",
    "mlx",
    "mlx_lm",
    "ollama",
    "gpt4all",
}
_LOCAL |= {
    "sentence_transformers",
    "open_clip",
    "clip",
    "tensorrt_llm",
    "exllamav2",
    "auto_gptq",
    "unsloth",
    "peft",
    "timm",
}
_LOCAL |= {
    "huggingface_hub",
    "safetensors",
    "sglang",
    "llamafile",
    "candle",
    "openvino",
    "text_generation",
    "together",
}

SERVICES: tuple[tuple[re.Pattern[str], str, frozenset[str]], ...] = (
    (re.compile(r"^(openai|chatgpt|gpt(3|35|4|4o|5)\w*|o1|o3)"), "OpenAI", frozenset({"openai"})),
    (re.compile(r"^(claude|anthropic)"), "Anthropic", frozenset({"anthropic"})),
    (re.compile(r"^(gemini|palm2?)"), "Google", frozenset({"google", "vertexai"})),
    (
        re.compile(r"^(mistral|mixtral)"),
        "Mistral",
        frozenset({"mistralai", "mistral_common", "mistral_inference"}),
    ),
    (re.compile(r"^phi(1|15|2|3|35|4|llm|model|language|local)?\w{0,4}$"), "Phi", frozenset()),
    (
        re.compile(r"^(llama|qwen|gemma|falcon|deepseek|vicuna)\d*"),
        "a language model",
        frozenset({"llama", "llama_models"}),
    ),
    (
        re.compile(r"^(openai)?clip(vision|text|model|align|encoder|alignment)?$"),
        "CLIP",
        frozenset({"torchvision"}),
    ),
)
_KITS = ("google.generativeai", "google.genai", "google.cloud.aiplatform", "vertexai")
_LOADS = {
    "from_pretrained",
    "pipeline",
    "load_model",
    "load_state_dict",
    "from_checkpoint",
    "load_from_checkpoint",
}
_ASKS = {
    "create",
    "generate",
    "invoke",
    "complete",
    "completion",
    "chat",
    "predict",
    "post",
    "ainvoke",
    "acreate",
    "messages",
}
_BESIDE = re.compile(r"(Tokenizer|TokenizerFast|Config|Processor|set_seed|logging|tiktoken)$")
"""What a model needs besides itself."""
_NETWORKS = {"torch", "jax", "flax", "tensorflow", "keras", "mlx", "tinygrad"}


def service_of(component: str) -> tuple[str, frozenset[str]] | None:
    """Whose model a name claims, and the libraries that would reach it."""
    name = plain(component)
    for pattern, owner, libraries in SERVICES:
        if pattern.match(name):
            return owner, libraries
    return None


def reaches_model(index: Index, files: Iterable[SourceFile], own: frozenset[str] = frozenset()) -> bool:
    """Whether the files, or what they import, use a client library, a web request, or load a model."""
    return any(_reaches(index.facts(file), own) for file in index.closure(files))


def _reaches(facts: Facts, own: frozenset[str]) -> bool:
    known = (
        _HTTP
        | _SWITCHBOARDS
        | _LOCAL
        | own
        | {"openai", "anthropic", "mistralai", "cohere", "groq", "replicate"}
    )
    live = [i for i in facts.imports if i.used and i.live]
    used = {i.target.split(".")[0] for i in live if not _BESIDE.search(i.target)}
    asked = {"completions", "messages", "responses"} & set(facts.held_calls)  # of a client it was given
    if (asked and "create" in facts.held_calls) or any(i.target.startswith(_KITS) for i in live):
        return True
    loads = _LOADS & set(facts.calls)
    if loads == {"from_pretrained"} and any(_BESIDE.search(i.target) for i in live):
        loads = set()  # of a tokenizer alone, when nothing else of the library is used
    return bool(used & known) or bool(loads) or "torch.load" in facts.uses


def asks_injected(index: Index, of: Definition) -> bool:
    """Whether it asks a client that it was given: `self.client.chat.completions.create(…)`."""
    facts = index.facts(of.file)
    return isinstance(of.what, Class) and of.what.stores and bool(_ASKS & set(facts.held_calls))


def is_network(index: Index, of: Definition) -> bool:
    """A model of its own: its layers stand in the code."""
    used = {i.target.split(".")[0] for i in index.facts(of.file).imports if i.used}
    return (
        isinstance(of.what, Class)
        and bool(used & _NETWORKS)
        and any("Module" in b or "Model" in b for b in of.what.bases)
    )


_ASKED = words_of("generate complete chat ask query answer respond describe explain infer call")


def answers_texts(one: Class) -> bool:
    """Whether the class is one that is asked: it has a method such as `generate`."""
    return any(answers_by_name(method.name) for method in one.methods)


def answers_by_name(method: str) -> bool:
    return bool(_ASKED & set(words(method)[:1]))
