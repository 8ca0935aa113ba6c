"""Paths that name an identity: `/v1/profiles/{key:identity}/events`. Import this where one is routed.

An id may hold any character. Starlette's own `path` stops at a line break (its `.` takes none), and the `$` it puts
behind a route matches before a last one, so that whoever ends in one would be taken for whoever does not.
"""

from starlette.convertors import Convertor, register_url_convertor

KIND = "identity"


class IdentityConvertor(Convertor[str]):
    """Everything up to the true end, or to what the route has behind it where the path does not end in a line break."""

    regex = r"(?s:.*\Z|(?!.*\n\Z).*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor(KIND, IdentityConvertor())
KEY = f"{{key:{KIND}}}"
"""The piece of a route's path; the OpenAPI document has it as `{key}`."""
