"""What the comparisons share: peers are run by turns, judged by CPU time, and told
as ratios of medians. A tool that is missing is told and left out."""

import contextlib
import os
import pathlib
import resource
import shutil
import socket
import statistics
import subprocess
import time

NGINX = """daemon off; worker_processes PROCESSES; pid WORK/nginx.pid; error_log WORK/error.log;
worker_rlimit_nofile 16384; events { worker_connections 8192; }
http { access_log off; keepalive_requests 1000000000; client_body_temp_path WORK/b;
  proxy_temp_path WORK/p; fastcgi_temp_path WORK/f; uwsgi_temp_path WORK/u; scgi_temp_path WORK/s;
  server { listen 127.0.0.1:PORT backlog=8192; location / { return 200 "ok"; } } }
"""


def tools(wanted):
    """Those that are installed; says which are not."""
    found = [name for name in wanted if shutil.which(name)]
    for name in wanted:
        if name not in found:
            print(f"skipped: needs {name}")
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, seconds=10.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"nothing listens on port {port} after {seconds} s")


@contextlib.contextmanager
def nginx(work, cpus, processes=1):
    """A server of two bytes on these CPUs; where it answers."""
    port = free_port()
    conf = pathlib.Path(work, "nginx.conf")
    told = {"WORK": work, "PORT": port, "PROCESSES": processes}
    text = NGINX
    for word, value in told.items():
        text = text.replace(word, str(value))
    conf.write_text(text)
    server = subprocess.Popen(["nginx", "-p", work, "-c", str(conf)],
                              stderr=subprocess.DEVNULL,
                              preexec_fn=lambda: os.sched_setaffinity(0, cpus))
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(10)


def timed(argv, cpus, **more):
    """Runs a command on these CPUs; its output, CPU and wall seconds."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300,
                          preexec_fn=lambda: os.sched_setaffinity(0, cpus), **more)
    wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done, cpu, wall


def cpu_seconds(pid):
    """CPU time that a running process and its threads have used."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def split_cpus():
    """One set for the server, one for who is measured; the same if there is one."""
    cpus = sorted(os.sched_getaffinity(0))
    return ({cpus[0]}, set(cpus[1:]) or {cpus[0]})


def spread(values):
    return f"{statistics.median(values):9.2f} ({min(values):.2f} to {max(values):.2f})"


def table(title, unit, results, ours):
    """Medians and ratios to `ours`; `results` by name."""
    print(f"\n{title} ({unit}; median, least and greatest of {len(results[ours])} by turns)")
    base = statistics.median(results[ours])
    for name, values in sorted(results.items(), key=lambda item: statistics.median(item[1])):
        ratio = base / statistics.median(values) if statistics.median(values) else float("nan")
        note = "" if name == ours else f"   {ours} is {ratio:.2f} of it"
        print(f"  {name:28} {spread(values)}{note}")
