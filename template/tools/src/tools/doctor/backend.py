"""The backend, asked without the page in between, and the model that it asks."""

import ipaddress
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx2

from kit.disclosure import DIRECT, through_proxy
from kit.env_files import SECRET
from kit.errors import INSPECTED, StartupError, explain_certificate
from kit.people.identity import LOCAL_OWNER
from kit.settings import BACKEND, Settings, check_certificates, get_settings
from tools.doctor.checks import Check, Finding, failed, passed, unknown, warned
from tools.doctor.database import DatabaseError, ask_for
from tools.doctor.running import (
    LIST,
    SECONDS,
    START,
    backend_address,
    backend_port,
    get,
    is_stopped,
    json_of,
    post,
    signed,
    source_of_port,
    stranger,
    words_of,
)
from tools.ports import by_whom, with_other_ports
from tools.settings import SHELL, in_files, lines_of, place_of, value_of
from tools.shell import fetch

SLUGS = {"not migrated": "migrations-not-run", "unavailable": "database-down"}
"""The pitfalls by the status that `GET /health` tells."""

OPENAI_URL = "https://api.openai.com/v1"
MODEL_SECONDS = 10
CERTIFICATES = "SSL_CERT_FILE"
"""Names the only certificates that are trusted, if it is set."""

ENV_FILE = "backend/.env.local"


def health() -> Finding:
    """Ask the backend whether it is well."""
    url = f"{backend_address()}/health"
    tried = f"GET {url}"
    try:
        answer = get(url)
    except httpx2.ConnectError:
        if is_stopped():
            return unknown(
                "the project is not running, or on other ports; start it to examine the rest",
                tried=tried,
                source=source_of_port("BACKEND_PORT"),
                command=START,
            )
        return unknown(
            "the backend is not running, or not on this port",
            tried=tried,
            source=source_of_port("BACKEND_PORT"),
            command=START,
            slug="backend-down",
        )
    except httpx2.TimeoutException:
        return unknown(
            f"{_holder()}, which gives no answer within {SECONDS} seconds; if it is the backend, "
            "it may be starting, so examine again",
            tried=tried,
            source=source_of_port("BACKEND_PORT"),
        )
    except httpx2.TransportError as error:
        return _not_ours(f"gives no answer ({error})", tried)
    body = json_of(answer)
    if not isinstance(body, dict) or "status" not in body:
        return _not_ours(f"answers {answer.status_code}, not as the backend does", tried)
    if answer.status_code != 200:
        return failed(
            f"it runs, and says: {words_of(answer)}",
            tried=tried,
            source="what the running backend was started with",
            command=START,
            slug=SLUGS.get(body["status"], "backend-down"),
        )
    return passed(f"it answers at {backend_address()}")


def _holder() -> str:
    return f"port {backend_port()} is taken{by_whom(backend_port())}"


def _not_ours(what: str, tried: str) -> Finding:
    return failed(
        f"{_holder()}, which {what}",
        tried=tried,
        source=source_of_port("BACKEND_PORT"),
        command=with_other_ports(BACKEND_PORT=backend_port()),
        slug="proxy-hides-the-cause",
    )


def threads() -> Finding:
    """List the conversations of somebody, signed as the page's server does."""
    answer = post(_url(), LIST, signed(stranger()))
    tried = f"POST {_url()} with threads.list and a token"
    if answer.status_code == 401:
        return failed(
            f"{_holder()}, which has another {SECRET} than frontend/.env.local: {words_of(answer)}"
            " If that is another project, give this one other ports. If it is this one, and the "
            "files agree, start it again",
            tried=tried,
            source="frontend/.env.local",
            command=START,
            slug="env-file-lost",
        )
    if answer.status_code != 200:
        return failed(
            f"it answers threads.list with {answer.status_code}: {words_of(answer)}",
            tried=tried,
            command=START,
            slug="backend-down",
        )
    body = json_of(answer)
    if not isinstance(body, dict) or not isinstance(body.get("data"), list):
        return failed(
            f"the answer to threads.list has no `data`; it begins with {answer.text[:60]!r}",
            tried=tried,
            source="backend/src/kit/http/request_handling.py",
            command="git diff backend/src/app",
            slug="json-of-bytes",
        )
    return passed("it answers threads.list; somebody new gets an empty list")


def whose_history() -> Finding:
    """Find out whose conversations a request without a token is shown."""
    answer = post(_url(), LIST)
    tried = f"POST {_url()} with threads.list and no token"
    if answer.status_code in (401, 403):
        return passed("a request without a token, such as one of curl, is refused", tried=tried)
    try:
        number = ask_for(f"SELECT count(*) FROM conversations WHERE owner = '{LOCAL_OWNER}'")
    except DatabaseError as error:
        return unknown(f"the conversations of {LOCAL_OWNER} cannot be counted: {error}")
    return passed(
        f'a request without a token, such as one of curl, gets those of "{LOCAL_OWNER}", '
        f"{number} now; guests of the page have others",
        tried=tried,
    )


def wrong_field() -> Finding:
    """Send the request of older advice, whose field is called `method`."""
    return _refused(
        {"method": "threads.list", "params": {}},
        status=400,
        what='{"method": "threads.list"}',
        slug="wrong-request-field",
    )


def not_found() -> Finding:
    """Ask for a conversation that is not there."""
    return _refused(
        {"type": "threads.get_by_id", "params": {"thread_id": "thr_doctor"}},
        status=404,
        what="a conversation that is not there",
        slug="not-found-is-500",
    )


def failing_stream() -> Finding:
    """Write to a conversation that is not there: whatever fails, it must not be a 5xx."""
    words = [{"type": "input_text", "text": "Is anybody there?"}]
    message = {"content": words, "attachments": [], "inference_options": {}}
    return _refused(
        {
            "type": "threads.add_user_message",
            "params": {"thread_id": "thr_doctor", "input": message},
        },
        status=404,
        what="a message to a conversation that is not there",
        slug="errors-multiply-threads",
    )


def _refused(body: object, *, status: int, what: str, slug: str) -> Finding:
    answer = post(_url(), body, signed(stranger()))
    said = json_of(answer)
    if answer.status_code == status and isinstance(said, dict) and said.get("message"):
        return passed(f"it refuses {what} in words, with {status}")
    return failed(
        f"it answers {what} with {answer.status_code}, and not with {status} and a message: "
        f"{words_of(answer)}",
        tried=f"POST {_url()} with {body}",
        source="backend/src/kit/http/request_handling.py",
        command="git diff backend/src/app",
        slug=slug,
    )


def _url() -> str:
    return f"{backend_address()}/chatkit"


def model() -> Finding:
    """Ask the model's server for its models, which costs nothing and needs a valid key."""
    settings = get_settings()
    chosen = place_of("backend", "ASSISTANT")
    if settings.is_demo:
        other = next(_other_keys(), None)
        if other and settings.assistant is None:
            return warned(
                f"the demo assistant answers, though {ENV_FILE} has {other}",
                tried=f"a search for keys in {ENV_FILE}",
                source=chosen,
                by_hand=f"Set ASSISTANT=own in {ENV_FILE}",
                command=START,
                slug="demo-in-place-of-mine",
            )
        return passed(f"the demo assistant answers. ASSISTANT in {ENV_FILE} changes that")
    if not settings.has_openai:
        return passed("your own assistant answers, without OpenAI's API", source=chosen)
    base = (settings.openai_base_url or OPENAI_URL).rstrip("/")
    key = settings.openai_api_key
    tried = f"GET {base}/models"
    file = value_of("backend", CERTIFICATES)
    try:
        check_certificates(file.text)
    except StartupError as error:
        return failed(
            str(error),
            source=file.source,
            by_hand=f"Set {CERTIFICATES} in {_place_of_certificates()}",
            command=START,
            slug="tls-inspected",
        )
    try:
        with httpx2.Client(
            mounts=DIRECT, timeout=MODEL_SECONDS, verify=_trust(file.text)
        ) as client:
            answer = client.get(
                f"{base}/models",
                headers={"Authorization": f"Bearer {key.get_secret_value() if key else 'none'}"},
            )
    except (httpx2.TransportError, OSError) as error:
        return _unreachable(base, error, tried)
    if answer.status_code in (401, 403):
        return _key_refused(base, answer.status_code, tried)
    if answer.status_code != 200:
        return warned(
            f"{base} answers {answer.status_code} when it is asked for its models. Most addresses "
            "end in /v1",
            tried=tried,
            source=value_of("backend", "OPENAI_BASE_URL").source,
            command=fetch(f"{base}/models"),
            slug="error-without-words",
        )
    return _model_known(settings, answer, base, tried)


def _other_keys() -> Iterator[str]:
    """Return the names of keys that the kit does not know, such as ANTHROPIC_API_KEY."""
    for name, line in lines_of(ENV_FILE).items():
        if name.endswith("_API_KEY") and line.value and name.lower() not in Settings.model_fields:
            yield name


def _trust(file: str) -> ssl.SSLContext:
    """Return what the backend trusts, which knows the line of its own file, too."""
    if not file:
        return httpx2.create_ssl_context()
    return ssl.create_default_context(cafile=BACKEND / file)  # where the backend runs


def _place_of_certificates() -> str:
    """Return where to set them: a line of the file does not beat the shell."""
    return SHELL if value_of("backend", CERTIFICATES).source == SHELL else ENV_FILE


def _unreachable(base: str, error: Exception, tried: str) -> Finding:
    source = value_of("backend", "OPENAI_BASE_URL").source
    refusal = explain_certificate(error)
    if refusal and INSPECTED in refusal:
        return failed(
            f"{base} cannot be asked. {refusal}",
            tried=tried,
            source=place_of("backend", CERTIFICATES),
            by_hand=f"Set {CERTIFICATES} in {_place_of_certificates()}",
            command=START,
            slug="tls-inspected",
        )
    if refusal:
        return failed(
            f"{base} cannot be asked. {refusal}",
            tried=tried,
            source=place_of("backend", "OPENAI_BASE_URL"),
            command=fetch(f"{base}/models"),
            slug="error-without-words",
        )
    if _is_here(base):
        return failed(
            f"the model's server at {base} does not answer. Start it",
            tried=tried,
            source=source,
            command=fetch(f"{base}/models"),
            slug="error-without-words",
        )
    return unknown(
        f"{base} cannot be reached from here ({error}).{through_proxy(base)}",
        tried=tried,
        source=source,
        command=fetch(f"{base}/models"),
    )


def _key_refused(base: str, status: int, tried: str) -> Finding:
    key, file = value_of("backend", "OPENAI_API_KEY"), in_files("backend", "OPENAI_API_KEY")
    is_beaten = key.source == SHELL and file is not None and file.is_set
    return failed(
        f"{base} refuses the key, with {status}",
        tried=tried,
        source=f"OPENAI_API_KEY in {key.source}",
        by_hand=f"Set a valid OPENAI_API_KEY in {ENV_FILE}",
        command=START,
        slug="shell-beats-env-file" if is_beaten else "error-without-words",
    )


def _model_known(settings: Settings, answer: httpx2.Response, base: str, tried: str) -> Finding:
    body = json_of(answer)
    listed = body.get("data") if isinstance(body, dict) else None
    names = [one["id"] for one in listed or [] if isinstance(one, dict) and "id" in one]
    wanted = settings.openai_model
    if wanted and names and wanted not in names:
        return warned(
            f"{base} answers and does not list the model {wanted}",
            tried=tried,
            source=f"OPENAI_MODEL in {value_of('backend', 'OPENAI_MODEL').source}",
            by_hand=f"Set another OPENAI_MODEL in {ENV_FILE}, such as {names[0]}",
            slug="error-without-words",
        )
    if settings.openai_api_key is None:
        source = place_of("backend", "OPENAI_BASE_URL")
        return passed(f"{base} answers without a key", source=source)
    return passed(f"{base} takes the key", source=place_of("backend", "OPENAI_API_KEY"))


def _is_here(base: str) -> bool:
    host = urlsplit(base).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


CHECKS = (
    Check("backend.health", health, needs=("database.migrations",)),
    Check("backend.threads", threads, needs=("backend.health", "files.secrets")),
    Check("backend.whose-history", whose_history, needs=("backend.threads",)),
    Check("backend.wrong-field", wrong_field, needs=("backend.threads",)),
    Check("backend.not-found", not_found, needs=("backend.threads",)),
    Check("backend.failing-stream", failing_stream, needs=("backend.not-found",)),
    Check("model.key", model, needs=("files.settings",)),
)
