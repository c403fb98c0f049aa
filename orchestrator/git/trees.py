"""What lies in a commit's folders, and trees made from other trees, without an index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.git.command import Git

_LINE_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """`mode` is git's own, such as `100644`; `path` is from the tree that was asked.

    `size` is in bytes, where it was asked for and the entry is a file.
    """

    mode: str
    id: str
    path: str
    size: int | None = None

    @property
    def is_plain_file(self) -> bool:
        return self.mode.startswith("100")

    @property
    def is_folder(self) -> bool:
        return self.mode == "040000"


def list_folder(git: Git, treeish: str, folder: str = "") -> dict[str, TreeEntry]:
    """A folder's entries by name; empty where there is no such folder."""
    where = [f"{folder}/"] if folder else []
    return {entry.path.rpartition("/")[2]: entry for entry in tree_entries(git, treeish, *where, sizes=True)}


def find_entry(git: Git, treeish: str, path: str) -> TreeEntry | None:
    """What lies at a path: a file, a link, a folder, a submodule or nothing."""
    return next(iter(tree_entries(git, treeish, path, sizes=True)), None)


def tree_entries(
    git: Git, treeish: str, *paths: str, recursive: bool = False, sizes: bool = False
) -> tuple[TreeEntry, ...]:
    """What lies at the top of a tree, or exactly at `paths`; with `recursive` every file below."""
    options = [*(["-r"] if recursive else []), *(["-l"] if sizes else [])]
    found: list[TreeEntry] = []
    for some in _portions(paths):
        fields = git.literal.run("ls-tree", "-z", "--full-tree", *options, treeish, "--", *some).fields()
        found += map(_tree_entry, fields)
    return tuple(found)


def _portions(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    """So many at once as one command line bears."""
    start = length = 0
    for position, path in enumerate(paths):
        length += len(path.encode("utf-8", "surrogateescape")) + 1
        if length > _LINE_BYTES:
            yield paths[start:position]
            start, length = position, len(path)
    yield paths[start:]


def _tree_entry(field: str) -> TreeEntry:
    meta, _, path = field.partition("\t")
    mode, _, ident, *size = meta.split()
    return TreeEntry(mode, ident, path, int(size[0]) if size and size[0].isdigit() else None)


def read_blob(git: Git, blob: str) -> str:
    """A file's content; bytes that are no UTF-8 become surrogates, and bytes again when written."""
    return git.run("cat-file", "blob", blob).stdout


def read_blobs(git: Git, names: Sequence[str]) -> dict[str, bytes]:
    """The contents of blobs, named by id or as `COMMIT:PATH`, in one call; a missing one has no entry."""
    if not names:
        return {}
    ends, end_of_name = (["-z"], "\0") if any("\n" in name for name in names) else ([], "\n")
    asked = "".join(f"{name}{end_of_name}" for name in names)
    text = git.run("cat-file", "--batch", "--buffer", *ends, stdin=asked).stdout
    answer = text.encode("utf-8", "surrogateescape")
    found: dict[str, bytes] = {}
    position = 0
    for name in names:
        missing = f"{name} missing\n".encode("utf-8", "surrogateescape")
        if answer.startswith(missing, position):
            position += len(missing)
            continue
        end = answer.index(b"\n", position)
        head = answer[position:end].rsplit(b" ", 2)
        position = end + 1
        if len(head) == 3 and head[2].isdigit():
            size = int(head[2])
            if head[1] == b"blob":
                found[name] = answer[position : position + size]
            position += size + 1
    return found


def edit_tree(git: Git, tree: str, files: Mapping[str, str | None]) -> str:
    """A tree with these files' texts written, those of None removed; modes and all else stay."""
    return _edited(git, tree, files) or git.text("mktree", stdin="")


def _edited(git: Git, tree: str | None, files: Mapping[str, str | None]) -> str | None:
    """None for a folder with nothing left in it: git keeps no empty ones."""
    entries = list_folder(git, tree) if tree else {}
    for name in {path.partition("/")[0] for path in files}:
        below = {p.partition("/")[2]: text for p, text in files.items() if p.startswith(f"{name}/")}
        old = entries.pop(name, None)
        new = _edited_folder(git, old, below) if below else _edited_file(git, old, files[name])
        if new is not None:
            entries[name] = new
    lines = (f"{e.mode} {_kind(e)} {e.id}\t{name}\0" for name, e in entries.items())
    # Objects of a partial clone need not be here.
    return git.text("mktree", "--missing", "-z", stdin="".join(lines)) if entries else None


def _edited_folder(git: Git, old: TreeEntry | None, files: Mapping[str, str | None]) -> TreeEntry | None:
    tree = _edited(git, old.id if old is not None and old.is_folder else None, files)
    return TreeEntry("040000", tree, "") if tree else None


def _edited_file(git: Git, old: TreeEntry | None, text: str | None) -> TreeEntry | None:
    if text is None:
        return None
    mode = old.mode if old is not None and old.is_plain_file else "100644"
    return TreeEntry(mode, git.text("hash-object", "-w", "--stdin", stdin=text), "")


def _kind(entry: TreeEntry) -> str:
    return {"040000": "tree", "160000": "commit"}.get(entry.mode, "blob")
