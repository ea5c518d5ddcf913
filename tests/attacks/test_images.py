"""Slug: one-request-blocks-all. What an image holds costs its sender alone."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from contract.chat import Chat, SignedHeaders, wait_until
from support.deployed import Deployed
from support.forked import PROJECT_PYTHON
from support.ports import server_of
from support.variants import DEFAULT

from attacks.conftest import DeployedOf

SLOW = "one_scan_a_thousand_times.jpeg"
OUTCOMES = {
    "exif_in_circles.jpeg": (200,),
    "gray_of_50_megapixels.jpeg": (200,),
    "megabytes_of_text.png": (415,),
    "megabytes_of_profile.png": (415,),
    "square_of_900_megapixels.png": (413,),
    "slides_of_16_bits.png": (200,),
    "thousands_of_frames.gif": (200,),
    # Where the memory is short, the process that checks it is ended.
    "black_of_49_megapixels.webp": (200, 422),
    "canvas_of_268_megapixels.webp": (413,),
    "photo_of_12_megapixels.webp": (200,),
}


@pytest.fixture(scope="module")
def images(deployed_of: DeployedOf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the images, made by the Pillow of the project."""
    folder = tmp_path_factory.mktemp("images")
    project = deployed_of(DEFAULT).project
    project.run("uv", "run", "python", str(PROJECT_PYTHON / "images.py"), str(folder))
    return folder


def upload(person: Chat, image: Path) -> httpx2.Response:
    return person.upload(image.name, image.read_bytes(), f"image/{image.suffix[1:]}")


def test_every_image_is_shown_or_refused_with_words(deployed_of: DeployedOf, images: Path) -> None:
    person = deployed_of(DEFAULT).visit("192.0.2.3")
    assert {image.name for image in images.iterdir()} == OUTCOMES.keys() | {SLOW}
    for name, statuses in OUTCOMES.items():
        response = upload(person, images / name)
        assert response.status_code in statuses, (name, response.text)
        if response.status_code == 200:
            assert response.json()["preview_url"].startswith("data:image/webp;base64,")
            assert person.download(response.json()["id"]).content == (images / name).read_bytes()
        else:
            assert "image" in response.json()["message"]


def guest(site: Deployed, name: str, address: str) -> Chat:
    """Return whom the page's server has told from others by a cookie, and where they are."""
    headers = SignedHeaders(site.secret, sub=f"guest_{name}", address=address)
    return Chat(f"{site.backend}/chatkit", headers)


def is_checked(site: Deployed) -> bool:
    """Whether an image is being checked."""
    server = server_of(urlsplit(site.backend).port or 80)
    return any(child.name().startswith("python") for child in server.children())


def test_nobody_waits_for_anothers_image(deployed_of: DeployedOf, images: Path) -> None:
    """Nor do the words of the one who sent it. Whose new cookies are of no use, does."""
    site = deployed_of(DEFAULT)
    attacker, other_cookie = (guest(site, name, "192.0.2.1") for name in "ab")
    bystander = guest(site, "bystander", "192.0.2.2")
    harmless = images / "exif_in_circles.jpeg"
    with ThreadPoolExecutor(2) as browsers:
        slow = browsers.submit(upload, attacker, images / SLOW)
        wait_until(lambda: is_checked(site))
        next_one = browsers.submit(upload, other_cookie, harmless)
        for person in (bystander, attacker):
            assert person.upload("a.txt", b"Hello", "text/plain").status_code == 200
            assert person.upload("a.pdf", b"%PDF-1.7", "application/pdf").status_code == 200
        assert upload(bystander, harmless).status_code == 200
        assert not slow.done()
        assert not next_one.done()
        assert slow.result().status_code == 422
        assert "too much time" in slow.result().json()["message"]
        assert next_one.result().status_code == 200
