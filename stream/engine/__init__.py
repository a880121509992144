"""A small server that speaks Riva's protocol around a Whisper model on the CPU."""

import os

# One thread for each decode: with more, decodes that run side by side fight over the cores. CTranslate2 and
# numpy's BLAS read it once, when they are loaded, so it has to stand before every import of theirs.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# CTranslate2's oneDNN keeps what it compiled for every length of sound it has met, up to 1024 of them and 0.7 MB
# each; lengths hardly repeat here, and without that cache decodes take no longer (measured).
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "0")
