"""What the page weighs, when it is painted, and how much it shifts until its chat is ready.

Each is measured in Chromium, as on a phone, against the bare page of a Next.js app of the same
packages, and against the page of 0.1.0. The weight is all that the page's server sends for its
scripts, styles and document, compressed; the styles are in the document. OpenAI's script, for
which the stand-in of the page's tests comes, counts nowhere: neither its weight nor its paints.

    uv run python -m bench.page
"""

import json
import shutil
import tempfile
from pathlib import Path

from support.projects import BUILD, PACKAGES, WITHOUT_KEY, Project, share
from support.updating import copy
from support.variants import DEFAULT, ROOT
from support.versions import commits

from bench.report import Figure, conclude
from bench.serving import IN_PROJECT, install

ROUNDS = 15
OLDER = "v0.1.0"
BARE = {
    "layout.jsx": "export default ({ children }) => <html><body>{children}</body></html>;",
    "page.jsx": "export default () => <main>Hello</main>;",
}

UNITS = {"weight": "kB", "painted": "ms", "shifted": "thousandths"}
LIMITS = (
    ("weight", "chatkit", "bare", 1.15),
    ("weight", "chatkit", OLDER, 1.05),
    ("weight", "basic", "bare", 1.6),
    ("painted", "chatkit", "bare", 1.5),
    ("painted", "chatkit", OLDER, 1.2),
    ("painted", "basic", "bare", 1.6),
    ("shifted", "chatkit", OLDER, 1.0),
    ("shifted", "basic", OLDER, 1.0),
)

Pages = dict[str, list[dict[str, float]]]
"""What was seen of each page, by its name, in each round."""


def build(project: Project) -> str:
    """Build the page of a project, and return its folder."""
    project.run(*BUILD, cwd="frontend", env=WITHOUT_KEY)
    return str(project.path / "frontend")


def bare(project: Project, folder: Path) -> str:
    """Build the least page on the packages of a project, and return its folder."""
    least = Project(folder, DEFAULT)
    pages = folder / "frontend" / "src" / "app"
    pages.mkdir(parents=True)
    for name, text in BARE.items():
        (pages / name).write_text(text, encoding="utf-8")
    for name in ("package.json", "package-lock.json", "scripts/start.mjs"):
        (folder / "frontend" / name).parent.mkdir(exist_ok=True)
        shutil.copy(project.path / "frontend" / name, folder / "frontend" / name)
    share(project, least, PACKAGES)
    return build(least)


def older(folder: Path) -> str:
    """Build the page of the older version, and return its folder."""
    project = copy(ROOT, commits()[OLDER], folder, DEFAULT)
    project.run("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", cwd="frontend")
    return build(project)


def measure(folder: Path) -> Pages:
    """Open each page in turn, with the browser and the servers of the page's own tests."""
    project = install(folder, page=True)
    others = {"bare": bare(project, folder / "bare"), OLDER: older(folder / "older")}
    shutil.copy(IN_PROJECT / "pages.spec.ts", project.path / "frontend" / "tests" / "page")
    figures = folder / "figures.json"
    job = {"others": others, "rounds": ROUNDS, "figures": str(figures)}
    test = ("npm", "run", "test:page", "--", "--project=chatkit", "pages.spec.ts")
    project.run(*test, cwd="frontend", env={"CI": "true", "JOB": json.dumps(job)})
    seen: Pages = json.loads(figures.read_text(encoding="utf-8"))
    return seen


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        seen = measure(Path(name))
    conclude(
        *(
            Figure(
                f"{page}, {what}",
                [figures[what] for figures in seen[page]],
                [figures[what] for figures in seen[other]],
                UNITS[what],
                other,
                at_most=at_most,
            )
            for what, page, other, at_most in LIMITS
        )
    )


if __name__ == "__main__":
    main()
