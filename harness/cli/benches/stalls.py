#!/usr/bin/env python3
"""Stops the generator for 0.1 to 5 s at random moments, many times, and looks
for every arrival in its own second of the record.

    cargo build --release
    python3 harness/cli/benches/stalls.py target/release/squall [STALLS] [AT ONCE] [SEED]

A stopped process is what a paused virtual machine or a frozen cgroup looks like.
Moments lie anywhere from the start of the load to just before its end, so that
some stalls outlast it. Prints a line for each run whose record is not as planned,
then the sums.
"""

import collections
import concurrent.futures
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

RATE, SECONDS = 100, 8
SCENARIO = f"""version: 1
name: stalls
seed: 1
target: api
processes:
  api:
    command: [$squall, reference, serve, discovery, --instance, $self.name,
              --listen, "127.0.0.1:$self.port", --data-dir, $run.dir/$self.name]
    ready: {{ http: /health }}
    inbound_link: true
load:
  shape: [ {{ hold: {{ rate: {RATE}/s, for: {SECONDS}s }} }} ]
  requests: [ GET /health ]
  warm_up: 1s
FAULTS
slo:
  - during: whole run
    expect: [ success >= 99%, p99 < 2s ]
"""
FAULTS = """faults:
  - { name: slow, at: 1500ms, inject: { delay: { by: 20ms } }, into: api, for: 3s }
"""


def one(squall, number, seed):
    """What was planned and not found: moment, seconds, exit code, counts."""
    chance = random.Random(f"{seed}/{number}")
    moment = chance.uniform(0.0, SECONDS + 0.5)
    length = chance.uniform(0.1, 5.0)
    work = pathlib.Path(tempfile.mkdtemp(prefix="squall-stalls-"))
    faults = FAULTS if number % 2 else ""
    (work / "stalls.yaml").write_text(SCENARIO.replace("FAULTS\n", faults))
    environment = dict(os.environ, XDG_STATE_HOME=str(work))
    with open(work / "told", "wb") as told:
        run = subprocess.Popen([squall, "run", "stalls.yaml", "--ui", "plain", "--out", "out"],
                               cwd=work, env=environment, stdin=subprocess.DEVNULL,
                               stdout=told, stderr=told)
    while run.poll() is None and b"load begins" not in (work / "told").read_bytes():
        time.sleep(0.01)
    time.sleep(moment)
    if run.poll() is None:
        run.send_signal(signal.SIGSTOP)
        time.sleep(length)
        run.send_signal(signal.SIGCONT)
    code = run.wait(60)
    folder = next((work / "out").glob("*/*/"))
    shown = subprocess.run([squall, "report", folder, "--report", "json=-"], cwd=work,
                           env=environment, capture_output=True, text=True, check=False)
    record = json.loads(shown.stdout)
    seconds = collections.Counter()
    for interval in record["intervals"]:
        seconds[interval["start_us"] // 1_000_000] += sum(
            route["counts"]["scheduled"] for route in interval["routes"])
    found = [seconds[second] for second in range(SECONDS)]
    scheduled = record["verdict"]["conservation"]["scheduled"]
    outcome = record["verdict"]["outcome"]
    shutil.rmtree(work, ignore_errors=True)
    return moment, length, bool(faults), code, outcome, found, scheduled


def main():
    squall = os.path.abspath(sys.argv[1])
    stalls, at_once, seed = (int(given) if given else default for given, default in zip(
        sys.argv[2:5] + [None] * 3, (200, 4, 1)))
    lost = misplaced = wrong = 0
    outcomes = collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        for result in pool.map(lambda n: one(squall, n, seed), range(stalls)):
            moment, length, faults, code, outcome, found, scheduled = result
            outcomes[f"{outcome} ({code})"] += 1
            lost += max(0, RATE * SECONDS - scheduled)
            misplaced += found != [RATE] * SECONDS
            wrong += code in (6, 70, 101)
            if found != [RATE] * SECONDS or code in (6, 70, 101):
                print(f"stopped at {moment:.2f} s for {length:.2f} s, faults {faults}: exit {code} "
                      f"{outcome}, arrivals per second {found}", flush=True)
    print(f"{stalls} stalls: {lost} arrivals lost, {misplaced} runs with an arrival in another "
          f"second, {wrong} with exit 6, 70 or 101; outcomes {dict(outcomes)}")
    sys.exit(1 if lost or misplaced or wrong else 0)


if __name__ == "__main__":
    main()
