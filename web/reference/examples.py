"""Examples of refusals in the OpenAPI document."""

from stream.errors import Problem

# A sentence for each problem that can be met over HTTP.
DETAILS = {
    Problem.INVALID_MESSAGE: "the body is not valid JSON",
    Problem.INVALID_AUDIO: "the audio is empty",
    Problem.INVALID_CONFIG: "sampleRateHertz is 4000; it must be between 8000 and 48000",
    Problem.UNSUPPORTED_MEDIA: "the audio is ZIP; send a recording with sound, or bare samples",
    Problem.UNAUTHENTICATED: "the token has expired; get a new one",
    Problem.FORBIDDEN: 'Origin is "https://elsewhere.example"; pages of other hosts may not connect',
    Problem.NOT_FOUND: "there is no transcription with this id, or not any more",
    Problem.METHOD_NOT_ALLOWED: "PATCH /v1/speech/asr is not served here",
    Problem.IDLE_TIMEOUT: "its audio was not uploaded within 3600 seconds",
    Problem.TOO_LARGE: "the body is too large; at most 16777216 bytes are taken",
    Problem.RATE_LIMITED: "20 recordings of yours are in work; wait for one to end",
    Problem.UPGRADE_REQUIRED: "this address speaks WebSocket only",
    Problem.RECOGNIZER_FAILED: "the recognizer failed on a part of the audio; try again later",
    Problem.INTERNAL: "the request failed through a fault of the server",
    Problem.OVERLOADED: "the recognizer is not ready; come again in a few seconds",
    Problem.SHUTTING_DOWN: "the server is stopping; connect again in a few seconds",
}
