"""Models that sherpa-onnx runs: recognized by their files, offline and streaming."""
