"""Takes the README's pictures of a report, light and dark, with headless Chromium.

python tools/report_picture.py .onetape/runs/RUN/report.html
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
WIDTH, HEIGHT = 1360, 1440  # down to the position chart


def main(report: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        sys.exit("no chromium (apt install --no-install-recommends chromium)")
    IMAGES.mkdir(parents=True, exist_ok=True)
    for number, name in ((1, "light"), (0, "dark")):
        picture = IMAGES / f"report-{name}.png"
        with tempfile.TemporaryDirectory() as profile:
            call = [
                browser,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                f"--user-data-dir={profile}",
                f"--blink-settings=preferredColorScheme={number}",
                f"--window-size={WIDTH},{HEIGHT}",
                f"--screenshot={picture}",
                report.absolute().as_uri(),
            ]
            subprocess.run(call, check=True, capture_output=True, timeout=60)
        print(picture)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
