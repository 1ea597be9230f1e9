"""What `docs/security.md` tells to type."""

from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "security.md"


def blocks(language, about):
    """The blocks of a language in which this occurs."""
    found = [rest.split("```")[0] for rest in PAGE.read_text().split(f"```{language}\n")[1:]]
    wanted = [block for block in found if about in block]
    assert wanted, f"the page has no {language} about {about}"
    return wanted
