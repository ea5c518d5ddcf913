"""A model for the tests: aimock speaks OpenAI's APIs and answers from tests/model/fixtures."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from contract.chat import HTTP, PATIENCE, wait_until

from support.ports import free_port
from support.processes import is_up
from support.programs import require
from support.projects import clean_environment
from support.variants import ROOT

NPM_PROJECT = ROOT / "tests" / "model"
KEY = "sk-the-right-key"
"""The one that the server accepts, as aimock.json says."""

MODEL = "test-model"
STREAMS = re.compile(
    r'^aimock_requests_total\{.*path="/v1/(?:responses|chat/completions)".*status="(\w+)"\} (\d+)',
    re.MULTILINE,
)


@dataclass(frozen=True)
class ModelServer:
    """A running aimock."""

    address: str

    @property
    def base_url(self) -> str:
        """What OPENAI_BASE_URL is set to."""
        return f"{self.address}/v1"

    def requests(self, text: str) -> list[dict[str, Any]]:
        """Return the bodies of the requests with a message of this text, oldest first.

        aimock notes them all in the form of Chat Completions.
        """
        return [
            body
            for body in self._bodies()
            if any(text in str(message.get("content")) for message in body["messages"])
        ]

    def _bodies(self) -> list[dict[str, Any]]:
        url, key = f"{self.address}/__aimock/journal", {"Authorization": f"Bearer {KEY}"}
        answer = httpx2.get(url, headers=key, **HTTP)
        return [entry["body"] for entry in answer.json() if entry["body"]]

    def ended(self, status: str) -> int:
        """Return how many answers ended so: "200", or "destroyed" when the client hung up."""
        metrics = httpx2.get(f"{self.address}/metrics", **HTTP).text
        return sum(int(number) for found, number in STREAMS.findall(metrics) if found == status)


@contextmanager
def run_model(folder: Path) -> Iterator[ModelServer]:
    """Install aimock into a folder and run it until the end of the block."""
    npm, node = require("npm"), require("node")
    shutil.copytree(NPM_PROJECT, folder, ignore=shutil.ignore_patterns("node_modules"))
    subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
    port = free_port()
    process = subprocess.Popen(
        [
            node,
            "node_modules/@copilotkit/aimock/dist/aimock-cli.js",
            "--config=aimock.json",
            f"--port={port}",
        ],
        cwd=folder,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
    )
    server = ModelServer(f"http://127.0.0.1:{port}")
    try:
        wait_until(lambda: is_up(process.pid, f"{server.address}/health"))
        yield server
    finally:
        process.terminate()
        process.wait(PATIENCE)
