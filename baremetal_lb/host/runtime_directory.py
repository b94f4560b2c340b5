"""The directory that the processes of a node share: theirs alone, since passwords are in it, and with sockets that nobody else may open."""

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class UnsafeDirectory(OSError):
    """The directory is not ours alone, and passwords would be in it."""


def prepare_directory(directory: Path) -> None:
    """Make the directory if it is not there, and see that it is ours alone.

    Raises:
        OSError: it cannot be made, or is somebody else's.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise UnsafeDirectory(f"{directory} is no directory of user {os.geteuid()}; name another one with --runtime-dir")
    if found.st_mode & 0o077:
        directory.chmod(0o700)


async def listen(path: Path, serve: Serve, *, limit: int) -> asyncio.Server:
    """Listen on a socket that was perhaps left by a process before; ``limit`` is the longest line, in octets."""
    path.unlink(missing_ok=True)  # noqa: ASYNC240 - one system call on a directory in memory
    before = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(serve, path, limit=limit)
    finally:
        os.umask(before)
