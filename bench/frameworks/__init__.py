"""Voice-agent frameworks as clients: pipecat and LiveKit agents drive a running server through their own plugins.

The frameworks are not dependencies of this project; install them beside it:

    python -m venv /tmp/frameworks
    /tmp/frameworks/bin/pip install "pipecat-ai[deepgram,nvidia,openai]" livekit-agents livekit-plugins-deepgram \
        livekit-plugins-nvidia livekit-plugins-openai
    NIYOSHA_GRPC_PORT=50051 niyosha serve &
    PYTHONPATH=. /tmp/frameworks/bin/python -m bench.frameworks tests/clips/quick.wav tests/clips/train.wav
"""
