"""The realtime protocol of NVIDIA Speech NIM microservices."""
