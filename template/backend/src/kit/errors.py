"""Errors with messages for people."""

import os
import re
import ssl


class StartupError(Exception):
    """A problem that the person who starts the app can fix.

    The message says what is wrong, where, and what to do. It is shown without a traceback, and
    never contains a secret.
    """


class RefusedError(Exception):
    """A request is refused. The message tells the person why, and what to do.

    The message is for any person. `inside` is for people who run the app, and may name settings or
    hosts. In development the person sees it after the message; in production only the log has it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        retry_after: int | None = None,
        inside: str | None = None,
    ) -> None:
        """Create the error.

        Args:
            status: the HTTP status of the reply, 4xx or 5xx.
            message: a sentence for any person.
            retry_after: after how many seconds the person may try again.
            inside: a sentence for people who run the app.
        """
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.inside = inside


CERTIFICATE = re.compile(
    "certificate[ _]verify[ _]failed|invalid peer certificate|UnknownIssuer", re.IGNORECASE
)
"""What others than Python say of a certificate: libpq, and the stores of files."""

INSPECTED = (
    "If the network inspects TLS, name its certificate as docs/settings.md#a-network-that-inspects-"
    "tls shows: SSL_CERT_FILE for the backend, NODE_EXTRA_CA_CERTS for npm and the page's server, "
    "UV_SYSTEM_CERTS for uv."
)


def explain_certificate(error: BaseException) -> str | None:
    """Return a sentence for people who run the app, if a server's certificate is not trusted.

    Args:
        error: of a connection, or of what has wrapped that error.
    """
    causes = [error]
    for one in causes:
        others = (one.__cause__, one.__context__, *one.args)
        new = [other for other in others if isinstance(other, BaseException)]
        causes += [other for other in new if other not in causes]
    of_python = (one for one in causes if isinstance(one, ssl.SSLCertVerificationError))
    of_others = (found[0] for one in causes if (found := CERTIFICATE.search(str(one))))
    why = next((one.verify_message or str(one) for one in of_python), next(of_others, None))
    if why is None:
        return None
    file = os.environ.get("SSL_CERT_FILE")
    only = f" Only the certificates in SSL_CERT_FILE={file} count." if file else ""
    return f"Its certificate is not trusted here ({why.rstrip('.')}).{only} {INSPECTED}"
