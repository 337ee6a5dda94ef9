"""Are the printed pages what the code says? `python -m contrib.docs` writes them anew, and names those that changed."""

import sys

from contrib.docs.listing import PAGES


def main() -> int:
    """Writes each page that differs; prints its path."""
    for page in PAGES:
        text = page.text()
        if not page.path.exists() or page.path.read_text() != text:
            page.path.parent.mkdir(exist_ok=True)
            page.path.write_text(text)
            print(page.path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
