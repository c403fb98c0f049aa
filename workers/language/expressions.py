"""Arithmetic in t that a language model wrote: parsed by a whitelist, never run as code."""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_CHARACTERS = 300
MAX_NODES = 120
MAX_NUMBER = 1e6
MAX_EXPONENT = 6

_FUNCTIONS: Mapping[str, Callable[[Floats], Floats]] = {
    "sin": np.sin,
    "cos": np.cos,
    "sqrt": np.sqrt,
    "exp": np.exp,
}
_OPERATORS: Mapping[type[ast.operator], Callable[[Floats, Floats], Floats]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
_SIGNS: Mapping[type[ast.unaryop], float] = {ast.UAdd: 1.0, ast.USub: -1.0}


class ExpressionError(ValueError):
    """Why a text is no expression of ours."""


@dataclass(frozen=True, slots=True)
class Expression:
    text: str
    tree: ast.expr

    def at(self, t: Floats) -> Floats:
        """Return the values at these times.

        Raises:
            ExpressionError: one of them is not a finite number.
        """
        with np.errstate(all="ignore"):
            values: Floats = np.broadcast_to(_value(self.tree, t), t.shape).astype(np.float64)
        if not np.isfinite(values).all():
            raise ExpressionError("not finite everywhere")
        return values


def parse(text: str) -> Expression:
    """Raises ExpressionError: too long, not arithmetic, or made of anything but t, pi and four functions."""
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(f"longer than {MAX_CHARACTERS} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ExpressionError("not an expression") from None
    if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
        raise ExpressionError(f"more than {MAX_NODES} nodes")
    _check(tree)
    return Expression(text, tree)


def _check(node: ast.expr) -> None:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            if not abs(number) <= MAX_NUMBER:
                raise ExpressionError(f"a number beyond {MAX_NUMBER:g}")
        case ast.Name(id="t" | "pi"):
            pass
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _SIGNS:
            _check(operand)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            _check(left)
            if not abs(_plain_number(right)) <= MAX_EXPONENT:
                raise ExpressionError(f"an exponent beyond {MAX_EXPONENT}")
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            _check(left)
            _check(right)
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
            _check(argument)
        case _:
            raise ExpressionError(f"{type(node).__name__} is not allowed")


def _plain_number(node: ast.expr) -> float:
    match node:
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _SIGNS:
            return _SIGNS[type(op)] * _plain_number(operand)
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return min(float(MAX_NUMBER), number)
        case _:
            raise ExpressionError("an exponent must be a number")


def _value(node: ast.expr, t: Floats) -> Floats:
    match node:
        case ast.Constant(value=int() | float() as number):
            return np.asarray(float(number))
        case ast.Name(id="t"):
            return t
        case ast.Name():
            return np.asarray(np.pi)
        case ast.UnaryOp(op=op, operand=operand):
            return _SIGNS[type(op)] * _value(operand, t)
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_value(left, t), _value(right, t))
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            return _FUNCTIONS[name](_value(argument, t))
    raise ExpressionError(f"{type(node).__name__} is not allowed")
