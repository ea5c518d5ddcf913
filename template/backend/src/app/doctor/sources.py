"""A look at what the page is made of, for what nobody sees in its document."""

from pathlib import Path

from app.dev.paths import FRONTEND, ROOT
from app.doctor.finding import Finding, passed, warned

SOURCES = FRONTEND / "src"
STUDIO = SOURCES / "chatkit.config.ts"
FONTS = "next/font/google"


def studio_config() -> Finding | None:
    """Find out whether the page uses the file into which ChatKit Studio's export goes."""
    if not STUDIO.exists():
        return None
    if any("chatkit.config" in text for path, text in _sources() if path != STUDIO):
        return passed("the page uses what chatkit.config.ts says")
    return warned(
        "nothing imports chatkit.config.ts, so the design from ChatKit Studio does not show",
        tried="a search for chatkit.config in frontend/src",
        source="frontend/src/components/chat/chat-client.tsx",
        command="git diff frontend/src/components",
        slug="studio-config-not-applied",
    )


def fonts() -> Finding:
    """Look for fonts that a build would have to fetch from Google."""
    for path, text in _sources():
        if FONTS in text:
            place = path.relative_to(ROOT).as_posix()
            return warned(
                f"{place} takes fonts from Google, and a build fails where Google is not reached",
                tried=f"a search for {FONTS} in frontend/src",
                source=place,
                command=f"git diff {place}",
                slug="google-fonts",
            )
    return passed("a build asks nobody for fonts")


def _sources() -> list[tuple[Path, str]]:
    paths = sorted(path for path in SOURCES.rglob("*") if path.suffix in (".ts", ".tsx"))
    return [(path, path.read_text(encoding="utf-8", errors="replace")) for path in paths]
