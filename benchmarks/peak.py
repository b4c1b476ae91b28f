"""Run a command and print the peak memory of its largest process: {"peak_mib": ...}.

python -S benchmarks/peak.py COMMAND ... --stats    # the last word is for the runner, not passed on
"""

import json
import os
import sys

command = sys.argv[1:-1]
pid = os.posix_spawn(command[0], command, os.environ)
_, status, usage = os.wait4(pid, 0)
print(json.dumps({"peak_mib": usage.ru_maxrss / 1024}))
sys.exit(os.waitstatus_to_exitcode(status))
