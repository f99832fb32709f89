"""One tiny run in a process of its own: python train_once.py OUT OPTIONS.json [kill_at]

OPTIONS: {"stage", "steps", "stage_a": {...}, "stage_b": {...}, "resume"}. kill_at: the step of the log after whose row
the process kills itself, as a power cut would. Joins the processes that RANK, WORLD_SIZE, MASTER_ADDR and so on name.
"""

import dataclasses
import json
import os
import signal
import sys
from pathlib import Path

from tiny_run import run, tiny_options

from emoface_training import options
from emoface_training.loop.log import RunLog
from emoface_training.loop.processes import Processes


def chosen(data: dict) -> options.TrainingOptions:
    """Options of `tiny_options` with the given fields changed."""
    plain = tiny_options(data["steps"])
    changes = {name: dataclasses.replace(getattr(plain, name), **data.get(name, {})) for name in ("stage_a", "stage_b")}
    return dataclasses.replace(plain, **changes)


def main() -> None:
    out, data = Path(sys.argv[1]), json.loads(sys.argv[2])
    if len(sys.argv) > 3:
        write, kill_at = RunLog.write, int(sys.argv[3])

        def killed_after(self: RunLog, kind: str, step: int, *rest: object) -> None:
            write(self, kind, step, *rest)
            if step == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        RunLog.write = killed_after
    processes = Processes.start(cpu=True)
    print(f"process {processes.rank} of {processes.count}", flush=True)
    run(out, chosen(data), stage=data["stage"], resume=data.get("resume", False), processes=processes)


if __name__ == "__main__":
    main()
