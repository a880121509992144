"""Routes of caption channels: for who runs them, and for who reads them."""
