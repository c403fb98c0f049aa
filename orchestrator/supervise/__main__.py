"""`python3 -S -E FOLDER_OR_ZIP SPEC.json`: runs from this folder, or a zip of it, wherever that lies."""

from __future__ import annotations

import sys

if not __package__:
    # Started by path, under any name: make the files beside this one a package.
    package = type(sys)("supervise")
    package.__path__ = [sys.path[0]]
    sys.modules["supervise"] = package
    __package__ = "supervise"

from .launch import main

if __name__ == "__main__":
    sys.exit(main(sys.argv))
