"""HTTP and WebSocket connections under uvicorn: limits, flow control, refusals, shutdown."""
