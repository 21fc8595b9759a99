#!/usr/bin/env python3
"""How much memory squall takes over a long run at a steady rate.

    cargo build --release
    python3 harness/cli/benches/memory.py target/release/squall [MINUTES] [RATE] [CONNECTIONS]

Reads squall's resident memory every ten seconds and prints the medians of each
five minutes, and the slope after the first five in KiB a minute (Theil-Sen: the
median of the slopes of all pairs), each beside the open descriptors. A longer run
must not need more memory. Stalls of a busy machine open connections, each with its
buffers; CONNECTIONS bounds them where such a machine is all there is.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

SETTLED_AFTER = 300
SCENARIO = """version: 1
name: memory
seed: 1
target: api
processes:
  api:
    command: [$squall, reference, serve, discovery, --instance, $self.name,
              --listen, "127.0.0.1:$self.port", --data-dir, $run.dir/$self.name]
    ready: { http: /health }
    inbound_link: true
load:
  shape: [ { hold: { rate: RATE/s, for: SECONDSs, arrivals: poisson } } ]
  requests: [ GET /health ]CONNECTIONS
  timeout: 2s
slo:
  - during: whole run
    expect: [ success >= 90%, p99 < 2s ]
"""


def resident_kib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1])


def main():
    squall = os.path.abspath(sys.argv[1])
    minutes = float(sys.argv[2]) if len(sys.argv) > 2 else 40.0
    rate = int(sys.argv[3]) if len(sys.argv) > 3 else 2000
    bound = f"\n  connections: {int(sys.argv[4])}" if len(sys.argv) > 4 else ""
    seen, opened = [], []
    with tempfile.TemporaryDirectory(prefix="squall-memory-") as work:
        scenario = SCENARIO.replace("RATE", str(rate)).replace(
            "SECONDS", str(round(minutes * 60))).replace("CONNECTIONS", bound)
        pathlib.Path(work, "memory.yaml").write_text(scenario)
        with open(pathlib.Path(work, "told"), "wb") as told:
            run = subprocess.Popen(
                [squall, "run", "memory.yaml", "--ui", "plain", "--out", "out"], cwd=work,
                env=dict(os.environ, XDG_STATE_HOME=work), stdout=told, stderr=told,
                stdin=subprocess.DEVNULL)
        begun = time.monotonic()
        while run.poll() is None:
            try:
                seen.append((time.monotonic() - begun, resident_kib(run.pid)))
                opened.append(len(os.listdir(f"/proc/{run.pid}/fd")))
            except (OSError, StopIteration):
                break
            time.sleep(10)
            if len(seen) % 30 == 0:
                five = [kib for _, kib in seen[-30:]]
                print(f"minute {seen[-1][0] / 60:4.0f}: {statistics.median(five):.0f} KiB, "
                      f"{statistics.median(opened[-30:]):.0f} descriptors",
                      flush=True)
        code = run.wait()
        tail = pathlib.Path(work, "told").read_text(errors="replace").splitlines()
        print(next((line for line in tail if line.startswith(("PASS", "FAIL", "INCON"))), ""))
    # The end of the run, judge and reports, is told apart.
    settled = [(at, kib) for at, kib in seen if SETTLED_AFTER <= at < minutes * 60 - 5]
    slopes = [(b[1] - a[1]) / ((b[0] - a[0]) / 60)
              for nth, a in enumerate(settled) for b in settled[nth + 1:]]
    print(f"exit {code}; at most {max((kib for _, kib in seen), default=0)} KiB; after the first "
          f"five minutes {statistics.median(slopes) if slopes else float('nan'):+.1f} KiB a minute "
          f"over {len(settled)} readings")


if __name__ == "__main__":
    main()
