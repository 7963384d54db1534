"""What holds for all tests."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded: as many tests as cores run side by side
