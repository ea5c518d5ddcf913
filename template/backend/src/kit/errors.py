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

NOT_VALID = re.compile(r"InvalidCertificate\(\s*(Expired|NotValidYet|NotValidForName)")
"""How the stores of files say what `OUT_OF_DATE_OR_OF_ANOTHER_HOST` means."""

OUT_OF_DATE_OR_OF_ANOTHER_HOST = frozenset(
    {
        *(9, 10, 62, 64),  # OpenSSL
        *(0x800B0101, 0x800B010F),  # Windows
        *(-67818, -67819, -67602),  # macOS
    }
)
"""How each names what is wrong with a certificate that nobody makes valid by trusting more."""

INSPECTED = (
    "If the network inspects TLS, name its certificate as docs/settings.md#a-network-that-inspects-"
    "tls shows: SSL_CERT_FILE for the backend, NODE_EXTRA_CA_CERTS for npm and the page's server, "
    "UV_SYSTEM_CERTS for uv."
)
SERVERS_OWN = (
    "The server needs another certificate, unless its address or the clock of this machine is "
    "wrong."
)


def explain_certificate(error: BaseException) -> str | None:
    """Return a sentence for people who run the app, if a server's certificate is refused.

    It has the words of `INSPECTED` if settings can cure that.

    Args:
        error: of a connection, or of what has wrapped that error.
    """
    causes = [error]
    for one in causes:
        others = (one.__cause__, one.__context__, *one.args)
        new = [other for other in others if isinstance(other, BaseException)]
        causes += [other for other in new if other not in causes]
    of_python = next((one for one in causes if isinstance(one, ssl.SSLCertVerificationError)), None)
    of_others = (found[0] for one in causes if (found := CERTIFICATE.search(str(one))))
    not_valid = next((found[1] for one in causes if (found := NOT_VALID.search(str(one)))), None)
    why = getattr(of_python, "verify_message", "") or not_valid or next(of_others, None)
    if why is None:
        return None
    if not_valid or getattr(of_python, "verify_code", None) in OUT_OF_DATE_OR_OF_ANOTHER_HOST:
        return f"Its certificate is not valid here ({why.rstrip('.')}). {SERVERS_OWN}"
    file = os.environ.get("SSL_CERT_FILE")
    only = f" Only the certificates in SSL_CERT_FILE={file} count." if file else ""
    return f"Its certificate is not trusted here ({why.rstrip('.')}).{only} {INSPECTED}"
