"""A GPU driver for hosts without one: a program `nvidia-smi` that tells of devices in a folder.

It stands for the vendor's program, in its CSV form. Processes hold what they, or the test, wrote down with
`hold`, for as long as they live; `stuck` memory belongs to no process.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PROGRAM = """\
#!{python} -SE
import os, sys, time
folder = {folder!r}
def rows(name):
    try:
        return [line.split(",") for line in open(os.path.join(folder, name)).read().splitlines()]
    except FileNotFoundError:
        return []
while os.path.exists(os.path.join(folder, "hangs")):
    time.sleep(0.05)
if os.path.exists(os.path.join(folder, "fails")):
    code, said = rows("fails")[0]
    print(said)
    sys.exit(int(code))
held = [row for row in rows("held") if os.path.exists("/proc/" + row[1])]
stuck = {{row[0]: int(row[1]) for row in rows("stuck")}}
if sys.argv[1] == "-L":
    divided = {{row[0]: int(row[1]) for row in rows("divided")}}
    for index, total in rows("gpus"):
        print(f"GPU {{index}}: NVIDIA Test, 8g (UUID: GPU-{{index}})")
        for one in range(divided.get(index, 0)):
            print(f"  MIG 1g.5gb      Device  {{one}}: (UUID: MIG-{{index}}-{{one}})")
elif sys.argv[1].startswith("--query-gpu"):
    for index, total in rows("gpus"):
        used = stuck.get(index, 0) + sum(int(mb) for device, pid, mb in held if device == index)
        print(f"{{index}}, GPU-{{index}}, {{total}}, {{used}}, {{int(total) - used}}, 7, NVIDIA Test, 8g")
else:
    for device, pid, mb in held:
        print(f"GPU-{{device}}, {{pid}}, {{mb}}, /usr/bin/python")
"""


class Driver:
    def __init__(self, folder: Path, *totals_mb: int) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        program = self.bin / "nvidia-smi"
        program.write_text(_PROGRAM.format(python=sys.executable, folder=str(folder)))
        program.chmod(0o755)
        self.devices(*totals_mb)

    @property
    def path(self) -> str:
        """A PATH with the program first."""
        return f"{self.bin}:{os.environ['PATH']}"

    def devices(self, *totals_mb: int) -> None:
        self._write("gpus", "".join(f"{index},{total}\n" for index, total in enumerate(totals_mb)))

    def hold(self, index: int, pid: int, megabytes: int) -> None:
        with (self.folder / "held").open("a") as file:
            file.write(f"{index},{pid},{megabytes}\n")

    def holding(self, megabytes: int, index: int = 0) -> str:
        """Shell that makes its process hold memory of a device."""
        return f"echo {index},$$,{megabytes} >> '{self.folder}/held'"

    def let_go(self) -> None:
        (self.folder / "held").unlink(missing_ok=True)

    def stuck(self, index: int, megabytes: int) -> None:
        self._write("stuck", f"{index},{megabytes}\n")

    def divide(self, index: int, instances: int) -> None:
        """As MIG does."""
        self._write("divided", f"{index},{instances}\n")

    def fail(self, code: int, said: str) -> None:
        self._write("fails", f"{code},{said}\n")

    def hang(self) -> None:
        self._write("hangs", "")

    def recover(self) -> None:
        for name in ("fails", "hangs"):
            (self.folder / name).unlink(missing_ok=True)

    def _write(self, name: str, text: str) -> None:
        made = self.folder / f"{name}.new"
        made.write_text(text)
        made.replace(self.folder / name)
