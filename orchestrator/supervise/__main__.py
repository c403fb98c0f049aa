"""`python3 -S -E FOLDER_OR_ZIP SPEC.json`: runs from this folder, or a zip of it, wherever that lies."""

from __future__ import annotations

import sys
from importlib import import_module

name = __package__
if not name:
    # Started by path, under any name: make the files beside this one a package.
    name = "supervise"
    package = type(sys)(name)
    package.__path__ = [sys.path[0]]
    sys.modules[name] = package

if __name__ == "__main__":
    sys.exit(import_module(f"{name}.launch").main(sys.argv))
