"""Print the least CPU time, in seconds, in which the community in the folder given is read again when nothing in it changed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from amplify import config, folder
from amplify.cache import Cache


def main(root: Path) -> None:
    """Read it once to know it, then a few times."""
    settings, cache = config.load(root), Cache(root / ".amplify" / "cache")
    times = []
    for _ in range(8):
        start = time.process_time()
        loaded = folder.load(settings, cache)
        times.append(time.process_time() - start)
    if loaded.problems:
        raise SystemExit("\n".join(map(str, loaded.problems)))
    print(min(times[1:]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
