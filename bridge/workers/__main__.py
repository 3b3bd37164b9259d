"""`python -m bridge.workers NUMBER FILE`: a worker process, loaded as lean as its supervisor."""

import sys

from bridge.machine import steady_malloc
from bridge.web.lean import lean

steady_malloc()
with lean():
    from bridge.workers.worker import main

main(sys.argv[1:])
