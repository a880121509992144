"""Serve a Riva servicer in a process that prints its address."""

import sys

import grpc
from riva.client.proto import riva_asr_pb2_grpc


async def serve(riva: riva_asr_pb2_grpc.RivaSpeechRecognitionServicer) -> None:
    """Serve until the process ends."""
    server = grpc.aio.server()
    riva_asr_pb2_grpc.add_RivaSpeechRecognitionServicer_to_server(riva, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"127.0.0.1:{port}\n")
    sys.stdout.flush()
    await server.wait_for_termination()
