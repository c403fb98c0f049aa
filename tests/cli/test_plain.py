from __future__ import annotations

import pytest

from orchestrator.cli.plain import Passing, PlainText

CASES = [
    (b"one\r\ntwo\r\r\nthree\n", b"one\ntwo\nthree\n"),
    (b"10%\r20%\rdone\r\n", b"10%\n20%\ndone\n"),
    (b"\x1b[1;31mred\x1b[0m \x1b[?25lplain\x1b(B\n", b"red plain\n"),
    (b"\x1b]0;a title\x07text\x1b]2;other\x1b\\more\n", b"textmore\n"),
    (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n", b"link\n"),
    (b"\x1bP1$r\x1b\\dcs\x1b=\x1b>keys\n", b"dcskeys\n"),
    (b"a\x07b\x08c\x00d\x7fe\tf\n", b"abcde\tf\n"),
    ("größe ✓ \x9b1mC1\x85\n".encode(), "größe ✓ 1mC1\n".encode()),
    (b"\x1b]0;never ended\nnext\n", b"\nnext\n"),
    (b"the end\r", b"the end\n"),
    (b"cut \x1b[3", b"cut "),
    (b"latin \xe9\xff\n", b"latin \xe9\xff\n"),
]


@pytest.mark.parametrize(("printed", "plain"), CASES)
def test_what_a_pipe_gets(printed: bytes, plain: bytes) -> None:
    text = PlainText()
    assert text.feed(printed) + text.rest() == plain


@pytest.mark.parametrize(("printed", "plain"), CASES)
def test_reads_may_end_anywhere(printed: bytes, plain: bytes) -> None:
    for size in (1, 2, 3, 5):
        text = PlainText()
        parts = [text.feed(printed[at : at + size]) for at in range(0, len(printed), size)]
        assert b"".join(parts) + text.rest() == plain


def test_what_never_ends_is_not_kept_for_ever() -> None:
    text = PlainText()
    for _ in range(100):
        text.feed(b"\x1b]0;" + b"x" * 9999)
    assert text.feed(b"\x07after") + text.rest() == b"after"


def test_a_terminal_gets_all_but_titles() -> None:
    printed = b"\x1b[31mred\r\n\x1b]0;mine\x07\x1b]8;;u\x1b\\x\x1b]2;yours\x1b\\end\x1b"
    for size in (1, 2, 100):
        through = Passing()
        parts = [through.feed(printed[at : at + size]) for at in range(0, len(printed), size)]
        assert b"".join(parts) + through.rest() == b"\x1b[31mred\r\n\x1b]8;;u\x1b\\xend\x1b"
