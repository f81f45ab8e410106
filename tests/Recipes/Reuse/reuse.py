"""The same with a pidfd, which never means another process: reuse.py NSLP."""
import os
import signal
import subprocess
import sys

daemon = subprocess.Popen(["sleep", "1000"])
pidfd = os.pidfd_open(daemon.pid)
daemon.kill()
daemon.wait()

other = int(subprocess.check_output([sys.argv[1], "spawn", str(daemon.pid), "--detach", "--", "sleep", "1000"]))
assert other == daemon.pid
try:
    signal.pidfd_send_signal(pidfd, signal.SIGTERM)
    sys.exit("the wrong process got a signal")
except ProcessLookupError:
    print("the pidfd is still that of the first")
finally:
    os.kill(other, signal.SIGKILL)
