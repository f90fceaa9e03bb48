"""Runs many scripts under ``run_script``, each in a fork, so that torch is imported once.

Reads lines of JSON ``[folder, script, level]``; answers each with how ``run_script`` ended.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import sys
import traceback
from pathlib import Path

from autograd_lens.capture import run_script


def run(folder: str, script: str, level: str) -> int:
    os.chdir(folder)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
    try:
        output = Path(f"{Path(script).stem}.lens")
        return int(run_script(script, ["--lr", "1"], output, full=level, force=True).exit_code)
    except BaseException:  # noqa: BLE001  a fork must never return to the server's loop
        traceback.print_exc()
        return 99
    finally:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(ValueError):  # the script closed it
                stream.flush()


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(run(*json.loads(line)) & 0xFF)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
