"""Write a page for each pitfall into docs/pitfalls, where a search for its error text can land.

    uv run scripts/pitfalls.py

The words are those of generated projects: template/frontend/src/kit/pitfalls.json.
"""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WORDS = ROOT / "template" / "frontend" / "src" / "kit" / "pitfalls.json"
FOLDER = ROOT / "docs" / "pitfalls"


def pages() -> dict[str, str]:
    """Return the text of each page by its file's name."""
    sections = json.loads(WORDS.read_text(encoding="utf-8"))
    contents = ["# Pitfalls of self-hosted ChatKit", ""]
    found: dict[str, str] = {}
    for section in sections:
        contents += [f"## {section['section']}", ""]
        for pitfall in section["pitfalls"]:
            name = f"{pitfall['slug']}.md"
            found[name] = page(pitfall)
            contents.append(f"- [{pitfall['title']}]({name}): {pitfall['symptom']}")
        contents.append("")
    return found | {"README.md": "\n".join(contents)}


def page(pitfall: dict[str, Any]) -> str:
    """Return the page of one pitfall."""
    blocks = [f"# {pitfall['title']}", pitfall["symptom"]]
    blocks += [f"    {error}" for error in pitfall["errors"]]
    for title, key in (
        ("Why", "cause"),
        ("What to do", "cure"),
        ("In a project of this template", "prevented"),
    ):
        blocks += [f"## {title}", pitfall[key]]
    return "\n\n".join(blocks) + "\n"


def main() -> None:
    """Write the pages, and remove those of pitfalls that are gone."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    written = pages()
    for file in FOLDER.iterdir():
        if file.name not in written:
            file.unlink()
    for name, text in written.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
