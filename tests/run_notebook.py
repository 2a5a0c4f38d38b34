"""A main program: executes a notebook whole, as Kaggle would, and keeps what it printed.

`python run_notebook.py IN.ipynb OUT.ipynb`; the kernel talks over files instead of the network, of which there is none.
"""

from __future__ import annotations

import sys

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

if __name__ == "__main__":
    source, target = sys.argv[1:]
    content = nbformat.read(source, as_version=4)
    nbformat.validate(content)
    manager = AsyncKernelManager(transport="ipc")
    try:
        NotebookClient(content, timeout=None, km=manager).execute()
    finally:
        nbformat.write(content, target)
