"""NVIDIA Riva's protocol for clients: the messages of its recognition calls, serialized protobuf."""
