"""Every exception of headwater, in one tree.

    HeadwaterError
    ├── SettingsError            the operator gave a setting that cannot be
    ├── StartError               a lock, a port or a file stands in the way of a start
    │   └── LockedError          a lock that another process holds
    ├── BackupError              a backup cannot be made, or is not whole, or does not belong where it should go
    ├── CorruptionError          log, state and store contradict each other: stop, tell, touch nothing
    ├── UnavailableError         503: try again later, nothing was taken
    │   └── LogUnavailableError  the log cannot promise durability now
    ├── LogUndecidedError        nobody can tell whether a batch is in the log: no answer may be given
    └── RequestError             the caller's mistake: has an HTTP status
        ├── UnauthenticatedError 401
        ├── ForbiddenError       403
        ├── NotFoundError        404
        ├── ConflictError        409
        ├── GoneError            410
        ├── DiffersError         422, names the path of the fault
        ├── ThrottledError       429, says when to come back
        └── InvalidError         400, names the path of the fault

A rejected event is no exception: it is a value with a reason (see `outcomes`).
`web.problems` maps this tree to RFC 9457 answers, the dialects map it to their own shapes.
"""


class HeadwaterError(Exception):
    """The root: everything headwater raises on purpose."""


class SettingsError(HeadwaterError):
    """A setting is missing, malformed or contradicts another."""


class StartError(HeadwaterError):
    """Something outside (a lock, a port, a directory) keeps a role from starting."""


class LockedError(StartError):
    """Another process holds a lock: `holder`, 0 in the instant before it has said which."""

    def __init__(self, message: str, holder: int) -> None:
        super().__init__(message)
        self.holder = holder


class BackupError(HeadwaterError):
    """A backup cannot be made, is not whole, or cannot be restored where it should go."""


class NotOwnerError(HeadwaterError):
    """Another engine stores this by now; whoever goes on could store events twice."""


class CorruptionError(HeadwaterError):
    """Log, state and store contradict each other; going on could lose or double events."""


class UnavailableError(HeadwaterError):
    """Nothing was taken; the same request may succeed after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class LogUnavailableError(UnavailableError):
    """The log could not make a batch durable; whatever it held of it is not read."""


class LogUndecidedError(HeadwaterError):
    """It is not known, and cannot be found out now, whether a batch is in the log: whoever waits gets no answer at all,
    and nothing that was taken for it is given back."""


class RequestError(HeadwaterError):
    """The caller's mistake. `status` is the HTTP status, `title` its short name."""

    status = 400
    title = "Bad Request"


class UnauthenticatedError(RequestError):
    status = 401
    title = "Unauthorized"


class ForbiddenError(RequestError):
    status = 403
    title = "Forbidden"


class NotFoundError(RequestError):
    status = 404
    title = "Not Found"


class ConflictError(RequestError):
    status = 409
    title = "Conflict"


class InvalidError(RequestError):
    """The request is malformed; `path` says where, as in `events[3].identity.id`."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class GoneError(RequestError):
    status = 410
    title = "Gone"


class ThrottledError(RequestError):
    """Too often; the same request may succeed after `retry_after` seconds."""

    status = 429
    title = "Too Many Requests"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DiffersError(RequestError):
    """Not what was sent under the same key before; `path` says where it differs."""

    status = 422
    title = "Unprocessable Content"

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path
