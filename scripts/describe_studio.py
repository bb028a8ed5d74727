"""Write docs/openapi.json, the description of what the studio's page asks its server."""

import json
from pathlib import Path

from inklens.storage import write_text
from inklens.studio.app import create_app
from inklens.studio.studio import Settings

OUT = Path(__file__).parents[1] / "docs" / "openapi.json"


def document() -> str:
    """Return the description as text."""
    app = create_app(Settings(Path("unused"), port=0))
    return json.dumps(app.openapi(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    write_text(OUT, document())
