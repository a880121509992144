"""How the interfaces are described: OpenAPI, AsyncAPI, the page `/docs`, the generated pages of the documentation."""
