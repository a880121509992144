"""Authentication and authorization: tokens, their claims and keys, allowed origins."""
