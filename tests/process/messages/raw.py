"""HTTP as a stranger with a token might write it: any method, any path, any bytes."""

import http.client
import json
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from paglets.config.keys import read_keyring


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: Any
    """Decoded JSON, else bytes."""
    headers: http.client.HTTPMessage

    @property
    def code(self) -> str:
        """The error's code."""
        return str(self.body["error"]["code"])

    @property
    def message(self) -> str:
        """The error's sentence for people."""
        return str(self.body["error"]["message"])


class RawApi:
    """Sends requests that no client of ours would."""

    def __init__(self, url: str, key_file: Path) -> None:
        self._netloc = urlsplit(url).netloc
        self._token = read_keyring(key_file).primary.bearer_token()

    def ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send `body` as JSON, or as it is if it is bytes."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection(self._netloc, timeout=30)
        given = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            connection.request(
                method, path, None if body is None else data, {**given, **(headers or {})}
            )
            response = connection.getresponse()
            answered = response.read()
        finally:
            connection.close()
        try:
            return Answer(response.status, json.loads(answered), response.headers)
        except ValueError:
            return Answer(response.status, answered, response.headers)
