"""When objects of TensorRT end: at once and one at a time, never by the garbage collector."""

from __future__ import annotations

import threading
import traceback

# TensorRT notes the logger of each builder and runtime under a lock of its own, and speaks to the
# logger, which is Python, meanwhile. A second thread that held the GIL and waited for that lock
# would wait forever, so builders and runtimes are made and freed under this one.
REGISTRY = threading.Lock()


def forget_frames(error: BaseException) -> None:
    """
    Clear the variables of every function that `error`, or what led to it, has ended.

    A traceback holds them for as long as the error is kept, and one that holds itself, as many
    do, until the garbage collector runs: maybe inside a message of TensorRT, where freeing one of
    its builders waits for a lock that its own thread holds. To be called by the function that
    called those; its own variables stay.
    """
    seen: set[int] = set()
    chain: list[BaseException | None] = [error]
    while chain:
        one = chain.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        traceback.clear_frames(one.__traceback__)
        chain += [one.__cause__, one.__context__]
