"""Copies of documents that a process which was killed had no time to delete."""

import shutil
import time
from pathlib import Path

# Nothing is read, drawn or sent for so long.
OLD_SECONDS = 6 * 3600.0
_PREFIXES = ("upload-", "read-", "page-")


def clear(folder: Path, older_than: float = OLD_SECONDS) -> int:
    """Delete what is left in the folder of files being read, untouched for so many seconds.

    Other processes may be working in it: what is young is theirs. Gives how many went.
    """
    gone = 0
    limit = time.time() - older_than
    for path in folder.iterdir():
        try:
            if not path.name.startswith(_PREFIXES) or path.lstat().st_mtime > limit:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            gone += 1
        except FileNotFoundError:
            continue  # whoever made it came first
    return gone
