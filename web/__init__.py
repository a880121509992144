"""What a client meets: the WebSocket, the REST routes, the page, and the command line that starts them."""
