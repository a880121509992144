"""Build JSON Schemas and parameters of an OpenAPI document."""

from typing import Any

Schema = dict[str, Any]
BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
"""Values of a boolean in a query."""
REFERENCE = "#/components/schemas/{name}"


def reference(name: str) -> Schema:
    """Refer to a schema of the same document."""
    return {"$ref": REFERENCE.format(name=name)}


def in_query(name: str, description: str, schema: Schema) -> Schema:
    """Describe a parameter of the query, which may be left out."""
    return {"name": name, "in": "query", "description": description, "schema": schema}


def in_path(name: str, description: str, schema: Schema) -> Schema:
    """Describe a parameter of the path."""
    return {"name": name, "in": "path", "description": description, "schema": schema, "required": True}
