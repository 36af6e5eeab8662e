"""docs/reference/messages.md and messages.json, from the layouts in the code."""

from __future__ import annotations

import json
from pathlib import Path

from onetape.ipc.message_page import messages, page

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference"


def main() -> None:
    (REFERENCE / "messages.md").write_text(page(), encoding="utf-8")
    text = json.dumps(messages(), indent=1, ensure_ascii=False)
    (REFERENCE / "messages.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
