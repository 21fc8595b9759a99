#!/usr/bin/env python3
"""Kills squall, its guardian or both, many times, and counts what is left.

    cargo build --release
    python3 harness/cli/benches/kills.py target/release/squall [KILLS] [AT ONCE] [SEED] [WITHIN]

The system has grandchildren, a process that ignores SIGTERM, one in a session of
its own and one that cleared its environment as well. Faults of every surface are in
force: on bytes, new connections, HTTP, TLS, calls inside processes, processes and
limits, work of squall's beside a process; and where this is run by root on names,
packets (nftables), processor, memory, standstill and disk.
Half of the kills come at a random moment of the run, half just after a step of injecting
or undoing, which is a line of the undo journal. Nothing may be left after three seconds,
without `squall recover` (after WITHIN where a busy machine needs longer): no process (a
stopped or frozen one neither), no cgroup, no table of nftables, no byte on the disk that
was filled. Prints a line per kind, and what
was left where something was; `late` are kills that found the run over, `steps` those
that came just after a step; `journals` those that stayed, of runs that were killed before
they had a guardian: each is printed, and the next run removes it. `slowest` counts from the kill, with the report of a squall
that was not killed itself; the time in which nothing may be left counts from its end.
"""

import collections
import concurrent.futures
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

RUN_SECONDS = 5.0
REPORT_WITHIN = 60.0
# Lines of the undo journal of a whole run, entries and what is said to be done: the
# system, three pauses, a limit and a burn; as root five cgroups and what holds memory too.
STEPS = 11
STEPS_OF_ROOT = 22
DISK_BYTES = 16 << 20
KINDS = ("squall", "guardian", "both", "TERM", "INT twice", "HUP", "stopped, then killed")
SCENARIO = """version: 1
name: kills
seed: 1
target: shop
processes:
  dep:
    command: [$squall, reference, serve, discovery, --instance, $self.name,
              --listen, "127.0.0.1:$self.port", --data-dir, $run.dir/$self.name]
    ready: { http: /health }
    inbound_link: true
    restart: { after: 200ms }
  family:
    command: [sh, -c, 'setsid sleep TOKEN1 & setsid env -i sleep TOKEN2 &
              sh -c "sleep TOKEN3 & sleep TOKEN4" & trap "" TERM;
              "$0" reference serve discovery --instance family --listen "127.0.0.1:$1" --data-dir "$2" & wait; wait',
              $squall, $self.port, $run.dir/$self.name]
    ready: { http: /health }
    inbound_link: true
    stop: { grace: 200ms }
  shop:
    command: [$squall, reference, serve, discovery, --instance, $self.name,
              --listen, "127.0.0.1:$self.port", --data-dir, $run.dir/$self.name]
    ready: { http: /health }
    inbound_link: true
  icy:
    command: [sh, -c, 'setsid sleep TOKEN6 & "$0" reference serve discovery --instance icy --listen "127.0.0.1:$1" --data-dir "$2" & wait',
              $squall, $self.port, $run.dir/$self.name]
    ready: { http: /health }
  twins:
    command: [$squall, reference, serve, discovery, --instance, $self.name,
              --listen, "127.0.0.1:$self.port", --data-dir, $run.dir/$self.name]
    ready: { http: /health }
    instances: 2
    restart: { after: 200ms }
links:
  secure: { to: shop, tls: terminate }
probes:
  - { name: pr, every: 200ms, within: 2s, read: { command: { run: [ sh, -c, "sleep 0.1; sleep TOKEN5 & echo 1" ] } } }
load:
  shape: [ { hold: { rate: 50/s, for: 5s } } ]
  requests: [ GET /health ]
  warm_up: 0s
faults:
  - { name: slow, at: 200ms, inject: { delay: { by: 50ms } }, into: shop, for: 4s }
  - { name: narrow, at: 300ms, inject: { bandwidth: { rate: 10KiB/s } }, into: shop, for: 4s }
  - { name: torn, at: 400ms, inject: cut, into: dep, for: 1s }
  - { name: broken, at: 500ms, inject: reset, into: dep, for: 1s }
  - { name: frozen, at: 600ms, inject: pause, into: family, for: 1s, every: 1200ms, times: 3 }
  - { name: killed, at: 700ms, inject: kill, into: dep, every: 800ms, times: 4 }
  - { name: short, at: 300ms, inject: { limit: { files: 64 } }, into: shop, for: 3s }
  - { name: late, at: 400ms, inject: { http: { delay: { by: 20ms }, share: 50% } }, into: shop, for: 4s }
  - { name: silent, at: 1500ms, inject: { timeout: { after: 100ms } }, into: dep, share: 50% of connections, for: 1s }
  - { name: sliced, at: 1600ms, inject: { slicer: { size: 64B } }, into: dep, share: 50% of connections, for: 2s }
  - { name: wrong, at: 1700ms, inject: { corrupt: { chunks: 10% } }, into: dep, share: 50% of connections, for: 2s }
  - { name: monkey, at: 500ms, inject: { monkey: { mean: 1s, min: 300ms, survivors: 1 } }, into: twins, for: 4s }
  - { name: crowded, at: 1s, inject: { cpu_burn: { cores: 1 } }, into: shop, for: 1s }
  - { name: refused, at: 2600ms, inject: refuse, into: dep, for: 500ms }
  - { name: hung, at: 600ms, inject: { in_process: { point: requests, delay: 20ms, share: 20% } }, into: shop, for: 3s }
  - { name: outdated, at: 700ms, inject: { tls: expired }, into: secure, for: 2s }
ROOT_FAULTSslo:
  - during: whole run
    expect: [ success >= 1% ]
"""
NAMES = "names: { shop.test: shop }\n"
ROOT_FAULTS = """  - { name: nameless, at: 500ms, inject: { dns: nxdomain }, into: shop.test, for: 3s }
  - { name: lossy, at: 800ms, inject: { loss: { share: 5% } }, into: shop, for: 2s }
  - { name: parted, at: 900ms, inject: partition, into: dep, for: 500ms }
  - { name: narrowed, at: 1s, inject: { rate: { limit: 100KiB/s } }, into: shop, for: 1s }
  - { name: starved, at: 400ms, inject: { cpu: 50% }, into: shop, for: 3s }
  - { name: forgetful, at: 500ms, inject: { memory: { limit: 300MiB } }, into: shop, for: 3s }
  - { name: pressed, at: 1s, inject: { memory_pressure: { up_to: 30% } }, into: shop, for: 2s }
  - { name: still, at: 1200ms, inject: freeze, into: icy, for: 500ms, every: 1s, times: 3 }
  - { name: full, at: 800ms, inject: { disk: { fill: DISK, leave: 1MiB } }, into: shop, for: 2s }
"""


def processes(token, work):
    """Living processes of a run: number, state, what they are. A keeper clears its
    environment; its journal stands in its command."""
    mark, journal, found = token.encode(), str(work).encode(), []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            if (mark not in command and journal not in command
                    and mark not in (entry / "environ").read_bytes()):
                continue
            state, parent = (entry / "stat").read_text().rsplit(") ", 1)[1].split()[:2]
        except OSError:
            continue
        if state not in "ZX":
            words = command.replace(b"\0", b" ").decode(errors="replace").strip()
            found.append((int(entry.name), int(parent), state, words))
    return found


def waits(pid):
    """What a process waits for in the kernel, and with how many threads."""
    lines = []
    for name in ("wchan", "syscall", "stack"):
        for file in sorted(pathlib.Path(f"/proc/{pid}/task").glob(f"*/{name}")):
            try:
                text = " < ".join(file.read_text().split("\n"))
            except OSError as error:
                text = error.strerror
            lines.append(f"    {pid} {file.parent.name} {name}: {text}")
    return "\n".join(lines)


def guardians(run, token, work):
    """The guardian of a run; the first journal entry comes before it."""
    while run.poll() is None:
        found = [p[0] for p in processes(token, work) if " guardian --journal" in p[3]]
        if found:
            return found
        time.sleep(0.001)
    return []


def cgroups():
    """Cgroups of squall's whose process is gone: what nobody will put back."""
    def start(pid):
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()[19]
        except OSError:
            return None
    found = (place.name.split("-") for place in pathlib.Path("/sys/fs/cgroup").glob("**/squall-*-*"))
    return {"-".join(words) for words in found
            if len(words) == 4 and words[2].isdigit() and start(words[2]) != words[3]}


def tables():
    """Tables of nftables whose names are squall's."""
    listed = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=False)
    return {line for line in listed.stdout.splitlines() if "squall" in line}


class Disk:
    """A small file system, for root."""

    def __init__(self, work):
        self.place = work / "disk"
        self.place.mkdir()
        if os.geteuid() == 0:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "kills",
                            str(self.place)], check=True)

    def is_full(self):
        free = os.statvfs(self.place)
        return os.geteuid() == 0 and free.f_bfree * free.f_frsize < DISK_BYTES

    def end(self):
        if os.geteuid() == 0:
            subprocess.run(["umount", "-l", str(self.place)], check=False)


def kill(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def strike(kind, run, token, work):
    if kind in ("guardian", "both"):
        for pid in guardians(run, token, work):
            kill(pid, signal.SIGKILL)
    if kind in ("squall", "both"):
        kill(run.pid, signal.SIGKILL)
    elif kind == "TERM":
        kill(run.pid, signal.SIGTERM)
    elif kind == "HUP":
        kill(run.pid, signal.SIGHUP)
    elif kind == "INT twice":
        kill(run.pid, signal.SIGINT)
        time.sleep(0.05)
        kill(run.pid, signal.SIGINT)
    elif kind == "stopped, then killed":
        kill(run.pid, signal.SIGSTOP)
        time.sleep(0.3)
        kill(run.pid, signal.SIGKILL)


def steps_in(journal):
    return journal.count(b'{"undo":') + journal.count(b'{"done":')


def one(squall, number, seed, within):
    """Kills one run; kind, moment, what was left, exit code, seconds."""
    chance = random.Random(f"{seed}/{number}")
    kind = KINDS[number % len(KINDS)]
    root = os.geteuid() == 0
    steps = STEPS_OF_ROOT if root else STEPS
    step = chance.randrange(1, steps + 1) if chance.random() < 0.5 else None
    after = chance.uniform(0.0, RUN_SECONDS)
    token = f"77{os.getpid()}{number:05}"
    work = pathlib.Path(tempfile.mkdtemp(prefix="squall-kills-"))
    disk = Disk(work)
    scenario = SCENARIO.replace("ROOT_FAULTS", ROOT_FAULTS if root else "")
    scenario = scenario.replace("DISK", str(disk.place)) + (NAMES if root else "")
    for nth in range(1, 7):
        scenario = scenario.replace(f"TOKEN{nth}", f"{token}{nth}")
    (work / "kills.yaml").write_text(scenario)
    environment = dict(os.environ, XDG_STATE_HOME=str(work / "state"), SQUALL_KILLS=token,
                       RUST_BACKTRACE="0")
    undo = work / "state/squall/undo"
    with open(work / "told", "wb") as told:
        run = subprocess.Popen([squall, "run", "kills.yaml", "--ui", "plain", "--out", "out"],
                               cwd=work, env=environment, stdin=subprocess.DEVNULL,
                               stdout=told, stderr=told, start_new_session=True)
    begun = time.monotonic()
    moment = f"after {after:.2f} s" if step is None else f"just after step {step}"
    while run.poll() is None and time.monotonic() - begun < 20:
        if step is None and b"load begins" in (work / "told").read_bytes():
            time.sleep(after)
            break
        if step is not None:
            journals = [path.read_bytes() for path in undo.glob("*.ndjson")]
            if sum(map(steps_in, journals)) >= step:
                break
        time.sleep(0.001 if step is not None else 0.02)
    late = run.poll() is not None
    strike(kind, run, token, work)
    struck = time.monotonic()
    def what_is_left():
        return processes(token, work) + (["a full disk"] if disk.is_full() else [])
    # A squall that was not killed itself may be slow to write its report.
    while run.poll() is None and time.monotonic() - struck < REPORT_WITHIN:
        time.sleep(0.01)
    ended = time.monotonic()
    left = what_is_left()
    while left and time.monotonic() - ended < within:
        time.sleep(0.05)
        left = what_is_left()
    seconds = time.monotonic() - struck
    waiting = [waits(entry[0]) for entry in left if not isinstance(entry, str)]
    undone = [path.read_text(errors="replace") for path in undo.glob("*.ndjson")]
    for entry in left:
        if not isinstance(entry, str):
            kill(entry[0], signal.SIGKILL)
    try:
        code = run.wait(20)
    except subprocess.TimeoutExpired:
        run.kill()
        code = "hangs"
    disk.end()
    panicked = b"panicked" in (work / "told").read_bytes()
    if left or panicked or code in (6, 70, "hangs"):
        told = (work / "told").read_text(errors="replace").splitlines()
        print("\n".join(line for line in told if "FAILED" in line or "undo" in line))
        print(f"  {kind}, {moment}: exit {code}, {'PANICKED, ' if panicked else ''}left {left}\n"
              f"{(work / 'told').read_text(errors='replace')[-600:]}", flush=True)
        print("\n".join(waiting), flush=True)
    for journal in undone:
        print(f"  {kind}, {moment}: a journal is left\n{journal}", flush=True)
    shutil.rmtree(work, ignore_errors=True)
    return kind, left, code, seconds, len(undone), late, step is not None and not late


def main():
    squall = os.path.abspath(sys.argv[1])
    kills, at_once, seed, within = (int(given) if given else default for given, default in zip(
        sys.argv[2:6] + [None] * 4, (1000, 4, 1, 3)))
    kinds = collections.defaultdict(list)
    before = cgroups() | tables()
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        for kind, *result in pool.map(lambda n: one(squall, n, seed, within), range(kills)):
            kinds[kind].append(result)
            done = sum(map(len, kinds.values()))
            if done % 50 == 0:
                print(f"  {done} of {kills}", file=sys.stderr, flush=True)
    print(f"{'kind':22} {'kills':>5} {'steps':>5} {'late':>4} {'left':>4} {'slowest':>8} {'journals':>8}  exit codes")
    rest = (cgroups() | tables()) - before
    bad = len(rest)
    for kind in KINDS:
        results = kinds[kind]
        if not results:
            continue
        left = sum(bool(result[0]) for result in results)
        codes = collections.Counter(str(result[1]) for result in results)
        wrong = sum(count for code, count in codes.items() if code in ("6", "70", "101", "hangs"))
        bad += left + wrong
        print(f"{kind:22} {len(results):5} {sum(r[5] for r in results):5} {sum(r[4] for r in results):4} {left:4} {max(r[2] for r in results):7.2f}s "
              f"{sum(r[3] for r in results):8}  {dict(codes)}")
    print(f"cgroups and tables left: {sorted(rest) if rest else 'none'}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
