"""The dashboard over runs whose steps are made up in a thread, at a fixed rate; started by `tests.bench.live`.

python -m tests.bench.live_server FOLDER TASKS BLOCKS STEPS STEPS_PER_SECOND SUITE

With 0 steps nothing is written.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from dashboard import settings

settings.prepare()

from dashboard.app import Dashboard  # noqa: E402  (the environment has to be set before Gradio is imported)
from dashboard.server import bind  # noqa: E402
from dashboard.tunnel import Tunnel  # noqa: E402


class Made(Dashboard):
    """A dashboard that writes a run by itself once it is open."""

    shape = (8, 12)
    steps = 500
    rate = 5.0

    def opened(self) -> None:
        """Load what the page needs, then begin to write."""
        super().opened()
        if not self.steps:
            print("run none", flush=True)
            return
        threading.Thread(target=self._write, name="made-up run", daemon=True).start()

    def _write(self) -> None:
        from tests.dashboard import synthetic

        assert self.context is not None
        store, (tasks, blocks) = self.context.store, self.shape
        run_id = synthetic.create(store, tasks=tasks, steps=self.steps, name="made up")
        store.set_status(run_id, "running")
        print(f"run {run_id}", flush=True)
        begin = time.monotonic()
        for step in synthetic.made_up(tasks, self.steps, synthetic.tensor_names(blocks)):
            store.record(run_id, step)
            time.sleep(max(0.0, begin + (step.number + 1) / self.rate - time.monotonic()))


def main() -> None:
    """Serve until stopped."""
    folder, tasks, blocks, steps, rate, suite = sys.argv[1:]
    dashboard = Made(suite, "127.0.0.1", Path(folder), False, Tunnel(wanted=False))
    dashboard.shape, dashboard.steps, dashboard.rate = (int(tasks), int(blocks)), int(steps), float(rate)
    try:
        dashboard.run(bind("127.0.0.1", 0), open_browser=False)
    finally:
        dashboard.close()


if __name__ == "__main__":
    main()
