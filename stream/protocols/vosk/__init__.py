"""The protocol of the Vosk server, which telephone switches and Jitsi have clients of."""
