"""What is known of functions and attributes by their names alone."""

from __future__ import annotations

from orchestrator.source.naming import words_of

SIZES = {"shape", "dtype", "device", "ndim", "size", "dim", "numel", "nbytes", "itemsize"}
SIZE_CALLS = {"len", "isinstance", "hasattr", "callable", "type", "hash", "id"}
SIZE_METHODS = {"size", "dim", "numel"}
FILLED = {"zeros", "ones", "empty", "eye", "zeros_like", "ones_like", "empty_like", "identity", "new_zeros"}
FILLED |= {"new_ones", "new_empty", "new_tensor_like"}
REPLIES = {"jsonify", "JSONResponse", "ORJSONResponse", "JsonResponse", "HttpResponse", "PlainTextResponse"}
"""What sends a value to who asked; it is still that value."""
DRAWN = {"rand", "randn", "randint", "rand_like", "randn_like", "randint_like", "randrange", "random"}
DRAWN |= {"choice", "choices", "sample", "randperm", "permutation", "token_hex", "uuid4", "getrandbits"}
DRAWN |= {"random_sample", "standard_normal", "integers", "randbytes", "multinomial_like"}
SPREAD = {"uniform", "normal", "gauss", "normalvariate", "triangular", "betavariate"}
DRAWN_INTO = words_of("normal_ uniform_ random_ bernoulli_ exponential_ cauchy_ log_normal_ shuffle")
HASH_ROOTS = {"hashlib", "zlib", "binascii", "xxhash", "mmh3"}
RANDOM_ROOTS = {"random", "secrets", "uuid"}
PURE_ROOTS = {"torch", "numpy", "math", "cmath", "statistics", "jax", "tensorflow", "itertools", "functools"}
PURE_ROOTS |= {"operator", "copy", "collections", "string", "decimal", "fractions", "scipy"}
PURE_ROOTS |= {"json", "re", "textwrap"}
WORLD = {"load", "loads", "open", "fromfile", "memmap", "hub", "jit", "cuda", "distributed", "loadtxt"}
WORLD |= {"genfromtxt", "read_file", "is_available", "device_count", "get_rng_state"}
BUILTINS = {"dict", "list", "tuple", "set", "frozenset", "str", "int", "float", "bool", "complex", "bytes"}
BUILTINS |= {"range", "min", "max", "sum", "abs", "round", "sorted", "zip", "enumerate", "reversed", "pow"}
BUILTINS |= {"any", "all", "map", "filter", "repr", "divmod", "chr", "ord", "slice", "bytearray"}
UNCHANGED = words_of(
    """
    clone detach copy contiguous to cpu cuda float double half numpy requires_grad_ long type astype deepcopy
    tensor as_tensor array asarray list tuple dict str Identity bfloat16
    """
)
LOOKS_UP = words_of(
    "get items keys values split strip lower upper format join copy replace startswith endswith index count"
)
GROWS = {"append", "extend", "add", "insert", "update", "appendleft", "setdefault"}
