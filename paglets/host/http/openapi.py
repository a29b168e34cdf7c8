"""`GET /openapi.json`: OpenAPI 3.1 made of the table the server routes by."""

import re

import msgspec

from paglets._version import __version__
from paglets.host.http.asked import Answer, ApiAnswer, ApiRequest
from paglets.host.http.routing import FORWARD, OPEN_ROUTES, Handler
from paglets.wire.routes import Route

_PARAMETER = re.compile(r"\{(\w+)\}")
_REF = "#/components/schemas/{name}"
_ERROR_REF = {"$ref": "#/components/responses/Error"}
_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_METHODS = ("get", "put", "post", "delete", "patch")

Json = dict[str, object]


class OpenApiRoutes:
    """Serves the document, made once.

    Args:
        routes: The table.
    """

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self._routes = routes
        self._document: bytes | None = None

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by route name."""
        return {"openapi": self.document}

    async def document(self, _asked: ApiRequest) -> Answer:
        """Return the document."""
        if self._document is None:
            self._document = msgspec.json.encode(make_document(self._routes))
        return ApiAnswer(body=self._document)


def make_document(routes: tuple[Route, ...]) -> Json:
    """Return the OpenAPI document of a table of routes."""
    bodies = {body for entry in routes for body in (entry.request, entry.response) if body}
    ordered = sorted(bodies, key=lambda body: body.__name__)
    schemas, components = msgspec.json.schema_components(
        [_describable(body) for body in ordered], schema_hook=_any_value, ref_template=_REF
    )
    of_body = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, Json] = {}
    for entry in routes:
        paths.setdefault(entry.path, {})[entry.method.lower()] = _operation(entry, of_body)
    paths[FORWARD.path] = {
        method: {
            "operationId": f"forward_{method}",
            "summary": FORWARD.summary,
            "parameters": [_path_parameter("name"), _path_parameter("path")],
            "responses": {"default": {"description": "What the other host answers."}},
        }
        for method in _METHODS
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "paglets", "version": __version__},
        "security": [{"signature": []}, {"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": {**components, "Error": _error_schema()},
            "responses": {
                "Error": {
                    "description": "An error with a stable code.",
                    "content": {
                        "application/json": {"schema": {"$ref": _REF.format(name="Error")}}
                    },
                }
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "signature": {"type": "apiKey", "in": "header", "name": "Authorization"},
            },
        },
    }


def _operation(entry: Route, of_body: dict[type[msgspec.Struct], Json]) -> Json:
    parameters = [_path_parameter(name) for name in _PARAMETER.findall(entry.path)]
    for name, description in entry.query:
        place = "header" if description.startswith("Header.") else "query"
        parameters.append(
            {
                "name": name,
                "in": place,
                "description": description,
                "schema": {"type": "string"},
            }
        )
    success: Json = {"description": entry.summary}
    if entry.response is not None:
        success["content"] = {"application/json": {"schema": of_body[entry.response]}}
    operation: Json = {
        "operationId": entry.name,
        "summary": entry.summary,
        "parameters": parameters,
        "responses": {str(entry.status): success, "default": _ERROR_REF},
    }
    if entry.request is not None:
        operation["requestBody"] = {
            "content": {"application/json": {"schema": of_body[entry.request]}}
        }
    elif entry.method in {"POST", "PUT"}:
        operation["requestBody"] = {"content": _BINARY}
    if entry.name in OPEN_ROUTES:
        operation["security"] = []
    return operation


def _describable(body: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """Return `body`, or a twin of it where defaults are undecoded JSON, which has no schema."""
    fields = msgspec.structs.fields(body)
    if not any(isinstance(found.default, msgspec.Raw) for found in fields):
        return body
    twins: list[tuple[str, object, object]] = []
    for found in fields:
        kind, default = found.type, found.default
        if isinstance(default, msgspec.Raw):
            kind = object
            default = msgspec.json.decode(default) if bytes(memoryview(default)) else None
        twins.append((found.name, kind, _field(default, found)))
    twin = msgspec.defstruct(body.__name__, twins, kw_only=True)
    twin.__doc__ = body.__doc__
    return twin


def _field(default: object, found: msgspec.structs.FieldInfo) -> object:
    if found.default_factory is not msgspec.NODEFAULT:
        return msgspec.field(default_factory=found.default_factory, name=found.encode_name)
    if default is msgspec.NODEFAULT:
        return msgspec.field(name=found.encode_name)
    return msgspec.field(default=default, name=found.encode_name)


def _any_value(kind: type) -> Json:
    """Return the schema of a type that msgspec has none for."""
    if kind is not object:
        raise NotImplementedError
    return {"description": "Any JSON value."}


def _path_parameter(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _error_schema() -> Json:
    fields: Json = {
        "code": {"type": "string"},
        "message": {"type": "string"},
        "detail": {"type": "object"},
    }
    error: Json = {"type": "object", "required": ["code", "message"], "properties": fields}
    return {"type": "object", "required": ["error"], "properties": {"error": error}}
