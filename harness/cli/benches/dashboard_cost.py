#!/usr/bin/env python3
"""What the dashboard costs: pairs of runs with it and without, at 10 000
requests per second, on a terminal that is read.

    cargo build --release
    python3 harness/cli/benches/dashboard_cost.py target/release/squall [PAIRS]

Prints the CPU time of the dashboard's threads as a share of one core, and the
median over the pairs of CPU time per arrival with the dashboard over that
without. Limits: 5 % and 1.03.
"""

import fcntl
import json
import os
import pathlib
import pty
import select
import statistics
import struct
import sys
import tempfile
import termios
import time

RATE = 10_000
SECONDS = 10
THREADS = ("squall-screen", "squall-writer", "squall-keys")
SCENARIO = f"""version: 1
name: dashboard cost
seed: 1
target: api
processes:
  api:
    command: [$squall, reference, serve, discovery, --instance, $self.name,
              --listen, "127.0.0.1:$self.port", --data-dir, $run.dir/$self.name]
    ready: {{ http: /health }}
load:
  shape: [ {{ hold: {{ rate: {RATE}/s, for: {SECONDS}s }} }} ]
  requests: [ GET /health ]
  timeout: 2s
  warm_up: 1s
slo:
  - during: whole run
    expect: [ success >= 50%, p99 < 5s ]
"""


def thread_ticks(pid):
    """CPU ticks of the dashboard's threads so far, by name."""
    ticks = {}
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            name, rest = task.read_text().split("(", 1)[1].rsplit(")", 1)
        except (OSError, IndexError):
            continue
        # The kernel keeps 15 characters of a name.
        if any(name == known[:15] for known in THREADS):
            fields = rest.split()
            ticks[name] = int(fields[11]) + int(fields[12])
    return ticks


def run(squall, work, ui):
    """CPU milliseconds per arrival, and the share of a core of the threads."""
    out = tempfile.mkdtemp(dir=work)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(work)
        environment = dict(os.environ, TERM="xterm-256color", COLORTERM="truecolor",
                           LC_ALL="C.UTF-8", XDG_STATE_HOME=work)
        environment.pop("CI", None)
        # Nobody is there to leave the screen.
        environment["SQUALL_CONFIG"] = str(pathlib.Path(work) / "config.yaml")
        arguments = [squall, "run", "cost.yaml", "--ui", ui, "--out", out]
        os.execve(squall, arguments, environment)
    size = struct.pack("HHHH", 50, 160, 0, 0)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)
    threads, begun, looked = {}, None, 0.0
    while True:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                if not os.read(terminal, 1 << 16):
                    break
            except OSError:
                break
        now = time.monotonic()
        if now - looked > 0.2:
            looked = now
            ticks = thread_ticks(pid)
            begun = begun or (now if ticks else None)
            threads.update(ticks)
            last = now
    os.waitpid(pid, 0)
    events = next(pathlib.Path(out).glob("*/*/events.ndjson")).read_text().splitlines()
    events = [json.loads(line) for line in events]
    cpu = [(e["at_us"], e["event"]["resources"]["usage"]["squall"]["cpu_ms"])
           for e in events if "resources" in e["event"] and e["at_us"] >= 0
           and "squall" in e["event"]["resources"]["usage"]]
    (from_us, from_ms), (to_us, to_ms) = cpu[0], cpu[-1]
    per_arrival = (to_ms - from_ms) / ((to_us - from_us) / 1e6 * RATE)
    share = 0.0
    if begun:
        seconds = sum(threads.values()) / os.sysconf("SC_CLK_TCK")
        share = seconds / (last - begun)
    finished = [e["event"]["load-finished"] for e in events if "load-finished" in e["event"]]
    return per_arrival, share, finished[0]["scheduled"]


def main():
    squall = os.path.abspath(sys.argv[1])
    pairs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    ratios, shares = [], []
    with tempfile.TemporaryDirectory() as work:
        pathlib.Path(work, "cost.yaml").write_text(SCENARIO)
        pathlib.Path(work, "config.yaml").write_text("stay: false\n")
        for pair in range(pairs):
            # The first of a pair alternates: what drifts cancels out.
            order = ("tui", "none") if pair % 2 else ("none", "tui")
            found = {ui: run(squall, work, ui) for ui in order}
            ratio = found["tui"][0] / found["none"][0]
            ratios.append(ratio)
            shares.append(found["tui"][1])
            print(f"pair {pair + 1}: {found['none'][0] * 1e3:.2f} us per arrival without, "
                  f"{found['tui'][0] * 1e3:.2f} us with, ratio {ratio:.3f}, "
                  f"dashboard {found['tui'][1]:.1%} of a core, "
                  f"{found['tui'][2]} arrivals", flush=True)
    print(f"median ratio {statistics.median(ratios):.3f} (limit 1.03), "
          f"median share {statistics.median(shares):.1%} (limit 5 %)")


if __name__ == "__main__":
    main()
