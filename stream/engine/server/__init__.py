"""The gRPC server of the embedded engine: NVIDIA Riva's protocol, admission and TLS."""
