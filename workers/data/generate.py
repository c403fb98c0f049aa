"""Writes and opens datasets on disk: shards of videos and scenes, each complete or absent.

A shard's bytes depend on the config and its number alone, so any number of processes, killed and started
again any number of times, ends with the same files. A shard counts once its JSON exists; that is
written last.
"""

import fcntl
import hashlib
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
from numpy.lib.format import write_array_header_1_0
from numpy.typing import NDArray

from orchestrator import progress
from workers.cli import InvalidData, StopRequest, UsageError, WorkerError
from workers.config import GenerateConfig
from workers.data.render import Video, render
from workers.data.scenes import Scenes, join_scenes, sample_scenes
from workers.data.trajectories import FAMILIES
from workers.runtime.atomic import remove_leftovers, replace_json, replacing

INDEX = "index.json"
# Frames per rendered block stay within the processor's cache: 16 clips draw twice as fast as 32.
BLOCK = 16
POLL_S = 0.5


def generate(directory: Path, config: GenerateConfig, processes: int, stop: StopRequest) -> str:
    """Complete the dataset in `directory` and return its hash.

    Raises:
        UsageError: the directory belongs to another config, or another generator works in it.
        InterruptedRun: a stop was asked for; the finished shards stay.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with _lock(directory):
        _claim(directory, config)
        remove_leftovers(directory, "")
        missing = [number for number in range(_shard_count(config)) if not _is_complete(directory, number)]
        _run_writers(directory, config, missing, processes, stop)
        return _write_index(directory, config)


@dataclass(frozen=True, slots=True)
class StoredVideos:
    shards: tuple[Video, ...]  # memory maps, (n, F, 3, H, W) each
    shard_size: int
    numbers: NDArray[np.int64]  # which samples, in which order

    def rows(self, indices: NDArray[np.int64]) -> "StoredVideos":
        return replace(self, numbers=self.numbers[indices])

    def read(self, indices: NDArray[np.int64], frames: NDArray[np.int64]) -> Video:
        places = (divmod(int(number), self.shard_size) for number in self.numbers[indices])
        return np.stack([self.shards[shard][row, frames] for shard, row in places])


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDataset:
    config: GenerateConfig
    dataset_hash: str
    scenes: Scenes
    videos: StoredVideos


def open_dataset(directory: Path) -> StoredDataset:
    try:
        index = json.loads((directory / INDEX).read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"{directory} holds no complete dataset; python -m workers.generate finishes it"
        ) from None
    except ValueError as error:
        raise InvalidData(f"{directory / INDEX} is not what was written: {error}") from None
    config = GenerateConfig.model_validate(index["config"])
    names = range(_shard_count(config))
    return StoredDataset(
        config=config,
        dataset_hash=index["dataset_hash"],
        scenes=join_scenes([_from_records(np.load(_scenes_path(directory, n))) for n in names]),
        videos=StoredVideos(
            shards=tuple(np.load(_videos_path(directory, n), mmap_mode="r") for n in names),
            shard_size=config.shard_size,
            numbers=np.arange(config.num_samples),
        ),
    )


def damaged_files(directory: Path) -> list[str]:
    """Names of the files of a complete dataset that are missing or not those that were written."""
    shards = json.loads((directory / INDEX).read_text())["shards"]
    facts = {name: one["sha256"] for shard in shards for name, one in shard["files"].items()}
    return [
        name
        for name, digest in facts.items()
        if not (directory / name).exists() or file_sha256(directory / name) != digest
    ]


@contextmanager
def _lock(directory: Path) -> Iterator[None]:
    with (directory / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"another generator is writing to {directory}") from None
        yield


def _claim(directory: Path, config: GenerateConfig) -> None:
    path = directory / "config.json"
    wanted = config.model_dump(mode="json")
    if not path.exists():
        replace_json(path, wanted)
    elif json.loads(path.read_text()) != wanted:
        raise UsageError(f"{directory} was begun with another config (see {path}); choose another --output")


def _run_writers(
    directory: Path, config: GenerateConfig, missing: Sequence[int], processes: int, stop: StopRequest
) -> None:
    context = multiprocessing.get_context("spawn")
    shares = [missing[start::processes] for start in range(min(processes, len(missing)))]
    writers: list[BaseProcess] = [
        context.Process(target=_write_shards, args=(directory, config, share, os.getpid()), daemon=True)
        for share in shares
    ]
    try:
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):
            _report(directory, config)
            stop.check()
            wait([writer.sentinel for writer in writers if writer.is_alive()], timeout=POLL_S)
    finally:
        for writer in writers:
            if writer.is_alive():
                writer.terminate()
    failed = [writer.exitcode for writer in writers if writer.exitcode]
    if failed:
        raise WorkerError(f"a writing process ended with exit code {failed[0]}; finished shards are kept")


def _report(directory: Path, config: GenerateConfig) -> None:
    complete = sum(_is_complete(directory, number) for number in range(_shard_count(config)))
    done = min(complete * config.shard_size, config.num_samples)
    progress.report(step=done, total=config.num_samples, unit="sample", message="generating")


def _write_shards(directory: Path, config: GenerateConfig, numbers: Sequence[int], parent: int) -> None:
    for number in numbers:
        first = number * config.shard_size
        count = min(config.shard_size, config.num_samples - first)
        scenes = sample_scenes(config.seed, range(first, first + count), config.scene)
        _write_videos(_videos_path(directory, number), scenes, config, parent)
        with replacing(_scenes_path(directory, number)) as file:
            np.save(file, _to_records(scenes))
        files = [_videos_path(directory, number), _scenes_path(directory, number)]
        sizes = {path.name: {"bytes": path.stat().st_size, "sha256": file_sha256(path)} for path in files}
        replace_json(_shard_path(directory, number), {"samples": count, "files": sizes})


def _write_videos(path: Path, scenes: Scenes, config: GenerateConfig, parent: int) -> None:
    scene = config.scene
    frames = np.arange(scene.frames)
    with replacing(path) as file:
        shape = (len(scenes), scene.frames, 3, scene.image_size, scene.image_size)
        # Written block by block: a mapped shard would count as memory, all 800 MB of it.
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        write_array_header_1_0(file, header)
        for start in range(0, len(scenes), BLOCK):
            if os.getppid() != parent:  # killed: whoever resumes writes this shard
                sys.exit(1)
            block = np.arange(start, min(start + BLOCK, len(scenes)))
            file.write(render(scenes.rows(block), frames, scene).tobytes())


def _write_index(directory: Path, config: GenerateConfig) -> str:
    shards = [
        json.loads(_shard_path(directory, number).read_text()) for number in range(_shard_count(config))
    ]
    content = {"v": 1, "classes": FAMILIES, "config": config.model_dump(mode="json"), "shards": shards}
    dataset_hash = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    replace_json(directory / INDEX, {"dataset_hash": dataset_hash, **content})
    return dataset_hash


def _is_complete(directory: Path, number: int) -> bool:
    try:
        files = json.loads(_shard_path(directory, number).read_text())["files"]
        return all((directory / name).stat().st_size == facts["bytes"] for name, facts in files.items())
    except FileNotFoundError:
        return False


def file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _shard_count(config: GenerateConfig) -> int:
    return -(-config.num_samples // config.shard_size)


def _videos_path(directory: Path, number: int) -> Path:
    return directory / f"videos_{number:05}.npy"


def _scenes_path(directory: Path, number: int) -> Path:
    return directory / f"scenes_{number:05}.npy"


def _shard_path(directory: Path, number: int) -> Path:
    return directory / f"shard_{number:05}.json"


def _to_records(scenes: Scenes) -> NDArray[np.void]:
    columns = {field.name: getattr(scenes, field.name) for field in fields(scenes)}
    records = np.empty(len(scenes), dtype=[(name, col.dtype, col.shape[1:]) for name, col in columns.items()])
    for name, column in columns.items():
        records[name] = column
    return records


def _from_records(records: NDArray[np.void]) -> Scenes:
    return Scenes(**{field.name: np.ascontiguousarray(records[field.name]) for field in fields(Scenes)})
