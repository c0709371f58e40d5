"""A small AI service that answers questions about a company's handbook: what Firebreak's demo contains.

Each part is a program of its own: ``python -m examples.qa.<part>``.
"""

import os

# One thread a process: the matrices are tiny, and a pool of spinning threads would cost more than it computes.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
