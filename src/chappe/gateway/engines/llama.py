"""llama.cpp's own server, in a process of its own: `python -m … FILE NAME CONTEXT`."""

import os
import sys
import threading

from chappe.gateway.engines.parent import announce, follow_parent


def main(file: str, name: str, context: int) -> None:
    """Serve one GGUF file on a free loopback port, with a key only our parent knows."""
    follow_parent()
    key = os.environ.pop("CHAPPE_ENGINE_KEY")
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = file
    params.model_alias = [name]
    params.n_ctx = context
    params.n_parallel = 2
    # Both slots may use the whole context, as long as together they don't exceed it.
    params.kv_unified = True
    params.port = 0
    params.api_keys = [key]
    params.endpoint_metrics = True
    params.ui = False
    threads = max(1, (os.cpu_count() or 2))
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    server = xllamacpp.Server(params)
    announce(server.listening_address)
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
