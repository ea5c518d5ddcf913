"""The eighth layer: the model, or the demo assistant in its place."""

import ipaddress
from urllib.parse import urlsplit

import httpx2

from kit.settings import Settings, get_settings
from tools.doctor.checks import Check, Finding, failed, passed, unknown, warned
from tools.doctor.running import json_of
from tools.settings import SHELL, in_files, value_of

OPENAI_URL = "https://api.openai.com/v1"
SECONDS = 3
WHERE = "backend/.env.local"


def model() -> Finding:
    """Ask the model's server for its models, which costs nothing and needs a valid key."""
    settings = get_settings()
    if settings.is_demo:
        return passed(f"the demo assistant answers until {WHERE} has OPENAI_API_KEY")
    base = (settings.openai_base_url or OPENAI_URL).rstrip("/")
    key = settings.openai_api_key
    tried = f"GET {base}/models"
    try:
        answer = httpx2.get(
            f"{base}/models",
            headers={"Authorization": f"Bearer {key.get_secret_value() if key else 'none'}"},
            timeout=SECONDS,
        )
    except (httpx2.TransportError, OSError) as error:
        return _unreachable(base, str(error), tried)
    if answer.status_code in (401, 403):
        return _refused(base, answer.status_code, tried)
    if answer.status_code != 200:
        return warned(
            f"{base} answers {answer.status_code} to a question for its models. Most addresses end "
            "in /v1",
            tried=tried,
            source=value_of("backend", "OPENAI_BASE_URL").source,
            command=f"curl {base}/models",
            slug="error-without-words",
        )
    return _known(settings, answer, base, tried)


def _unreachable(base: str, cause: str, tried: str) -> Finding:
    source = value_of("backend", "OPENAI_BASE_URL").source
    if _is_here(base):
        return failed(
            f"the model's server at {base} does not answer: start it",
            tried=tried,
            source=source,
            command=f"curl {base}/models",
            slug="error-without-words",
        )
    return unknown(
        f"{base} cannot be reached from here ({cause})",
        tried=tried,
        source=source,
        command=f"curl {base}/models",
    )


def _refused(base: str, status: int, tried: str) -> Finding:
    key, file = value_of("backend", "OPENAI_API_KEY"), in_files("backend", "OPENAI_API_KEY")
    is_beaten = key.source == SHELL and file is not None and file.is_set
    return failed(
        f"{base} refuses the key, with {status}",
        tried=tried,
        source=f"OPENAI_API_KEY in {key.source}",
        command=f"a valid OPENAI_API_KEY in {WHERE}, then uv run dev",
        slug="shell-beats-env-file" if is_beaten else "error-without-words",
    )


def _known(settings: Settings, answer: httpx2.Response, base: str, tried: str) -> Finding:
    body = json_of(answer)
    listed = body.get("data") if isinstance(body, dict) else None
    names = [one["id"] for one in listed or [] if isinstance(one, dict) and "id" in one]
    wanted = settings.openai_model
    if wanted and names and wanted not in names:
        return warned(
            f"{base} takes the key and does not list the model {wanted}",
            tried=tried,
            source=f"OPENAI_MODEL in {value_of('backend', 'OPENAI_MODEL').source}",
            command=f"another OPENAI_MODEL in {WHERE}, such as {names[0]}",
            slug="error-without-words",
        )
    source = value_of("backend", "OPENAI_API_KEY").source
    return passed(f"{base} takes the key", source=f"OPENAI_API_KEY in {source}")


def _is_here(base: str) -> bool:
    host = urlsplit(base).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


CHECKS = (Check("model.key", model, needs=("files.settings",)),)
