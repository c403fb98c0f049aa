"""What a commit holds, and edits of it: everything people, tools and accidents do to files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

FILE, PROGRAM, LINK, SUBMODULE = "100644", "100755", "120000", "160000"

FOLDERS = (b"", b"src/", b"src/deep/er/", b"lib/", b"docs/", "dätä set/".encode(), b"tests/")
NAMES = (
    b"plain.py", b"with space.txt", "ünïcode-日本.txt".encode(), b"quo\"te'.md", b"tab\there", b"new\nline",
    b"-dash", b"back\\slash", b"not-utf8-\xff\xfe.dat", b"*glob[1]?.txt", b"CASE.txt", b"case.txt",
    b".hidden", b"README", b"a", b"b~HEAD", b"module.log", b"data.blob", b"%00.txt", b"$(x);`y`",
)  # fmt: skip
ATTRIBUTES = b"*.log merge=union\n*.blob binary\n*.md merge=nobody-has-this\n"


@dataclass(frozen=True, slots=True)
class Entry:
    """`content` is a link's target in a LINK, and 40 hexadecimal digits in a SUBMODULE."""

    mode: str
    content: bytes


Tree = Mapping[bytes, Entry]
Edit = Callable[[Random, dict[bytes, Entry]], None]


def first_tree(random: Random) -> dict[bytes, Entry]:
    """Folders of files that hardly resemble each other, so that renames can be told."""
    tree = {b".gitattributes": Entry(FILE, ATTRIBUTES)}
    for _ in range(random.randint(6, 16)):
        add(random, tree)
    return tree


def edited(random: Random, tree: Tree) -> dict[bytes, Entry]:
    """Another tree, some edits later; `tree` stays as it is."""
    result = dict(tree)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        (edit,) = random.choices(tuple(EDITS), tuple(EDITS.values()))
        edit(random, result)
    return result


def overlaid(base: Tree, ours: Tree, theirs: Tree) -> dict[bytes, Entry]:
    """What a person might make of two trees: theirs where only they changed a path, else ours."""
    paths = {path for path in {*base, *ours, *theirs} if ours.get(path) == base.get(path)}
    kept = {path: entry for path, entry in ours.items() if path not in paths}
    taken = {path: theirs[path] for path in sorted(paths) if path in theirs}
    result = dict(kept)
    for path, entry in taken.items():
        put(result, path, entry)
    return result


def put(tree: dict[bytes, Entry], path: bytes, entry: Entry) -> None:
    """Set a path; files where its folders would be, and what lies below it, go."""
    parts = path.split(b"/")
    for depth in range(1, len(parts)):
        tree.pop(b"/".join(parts[:depth]), None)
    for below in [name for name in tree if name.startswith(path + b"/")]:
        del tree[below]
    tree[path] = entry


def add(random: Random, tree: dict[bytes, Entry]) -> None:
    path = random.choice(FOLDERS) + random.choice(NAMES)
    put(tree, path, Entry(random.choice((FILE, FILE, FILE, PROGRAM)), _text(random)))


def change_lines(random: Random, tree: dict[bytes, Entry]) -> None:
    path = _some(random, tree, FILE, PROGRAM)
    if path is None:
        return
    lines = tree[path].content.splitlines(keepends=True)
    at = random.randint(0, len(lines))
    gone = random.choice((0, 1, 1, 2))
    lines[at : at + gone] = [
        b"edit %d\n" % random.randrange(10**6) for _ in range(random.choice((0, 1, 1, 2)))
    ]
    tree[path] = Entry(tree[path].mode, b"".join(lines))


def delete(random: Random, tree: dict[bytes, Entry]) -> None:
    path = _some(random, tree)
    if path is not None:
        del tree[path]


def rename(random: Random, tree: dict[bytes, Entry]) -> None:
    path = _some(random, tree)
    if path is not None:
        put(tree, random.choice(FOLDERS) + random.choice(NAMES), tree.pop(path))


def rename_folder(random: Random, tree: dict[bytes, Entry]) -> None:
    old = random.choice(FOLDERS[1:])
    new = random.choice((*FOLDERS[1:], b"moved/", b"src/other/"))
    for path in [path for path in tree if path.startswith(old)]:
        entry = tree.pop(path, None)
        if entry is not None:  # what was put may have taken its place
            put(tree, new + path.removeprefix(old), entry)


def flip_mode(random: Random, tree: dict[bytes, Entry]) -> None:
    path = _some(random, tree, FILE, PROGRAM)
    if path is not None:
        flipped = PROGRAM if tree[path].mode == FILE else FILE
        tree[path] = Entry(flipped, tree[path].content)


def link(random: Random, tree: dict[bytes, Entry]) -> None:
    """A new link, or a file that becomes one, or another target."""
    path = _some(random, tree) if random.random() < 0.4 else b"link%d" % random.randrange(3)
    if path is not None:
        put(tree, path, Entry(LINK, random.choice(NAMES)))


def move_submodule(random: Random, tree: dict[bytes, Entry]) -> None:
    put(tree, b"vendor/module", Entry(SUBMODULE, b"%040x" % random.randrange(1, 4)))


def make_binary(random: Random, tree: dict[bytes, Entry]) -> None:
    put(tree, random.choice(FOLDERS) + b"data.blob", Entry(FILE, b"\0" + random.randbytes(20)))


def flip_line_ends(random: Random, tree: dict[bytes, Entry]) -> None:
    path = _some(random, tree, FILE, PROGRAM)
    if path is None:
        return
    content = tree[path].content
    unix = content.replace(b"\r\n", b"\n")
    tree[path] = Entry(tree[path].mode, unix.replace(b"\n", b"\r\n") if unix == content else unix)


def make_empty(random: Random, tree: dict[bytes, Entry]) -> None:
    put(tree, random.choice(FOLDERS) + random.choice(NAMES), Entry(FILE, b""))


def file_for_folder(random: Random, tree: dict[bytes, Entry]) -> None:
    """A file where a folder was, or a folder where a file was."""
    path = _some(random, tree)
    if path is None:
        return
    folder, _, _ = path.rpartition(b"/")
    if folder and random.random() < 0.5:
        put(tree, folder, Entry(FILE, _text(random)))
    else:
        put(tree, path + b"/inside", tree[path])


EDITS: dict[Edit, int] = {
    change_lines: 42,
    add: 14,
    delete: 6,
    rename: 9,
    rename_folder: 4,
    flip_mode: 5,
    link: 4,
    move_submodule: 2,
    make_binary: 4,
    flip_line_ends: 3,
    make_empty: 4,
    file_for_folder: 3,
}


def _some(random: Random, tree: Tree, *modes: str) -> bytes | None:
    """A path, of one of these modes where some are given; never the attributes."""
    paths = [p for p, e in tree.items() if p != b".gitattributes" and (not modes or e.mode in modes)]
    return random.choice(paths) if paths else None


def _text(random: Random) -> bytes:
    mark = random.randrange(10**6)
    end = random.choice((b"\n", b"\n", b"\n", b"\r\n"))
    lines = [b"line %d of %d" % (number, mark) for number in range(random.randint(3, 25))]
    return end.join(lines) + (end if random.random() < 0.9 else b"")
