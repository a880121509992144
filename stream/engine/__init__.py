"""The embedded engine: a gRPC server that speaks Riva's protocol around Whisper models on the CPU."""

import os

# One thread for each decode: with more, parallel decodes compete for the cores. CTranslate2 and numpy's BLAS read
# this variable once, when they are loaded, so it has to be set before either is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# CTranslate2's oneDNN caches what it compiled for every length of audio, up to 1024 lengths of 0.7 MB each. Lengths
# hardly repeat here, and decodes take no longer without the cache (measured).
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "0")
