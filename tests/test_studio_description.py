"""The interface's description: what lies in the documentation is what the application says of itself."""

import json
import sys
from pathlib import Path

import inklens

ROOT = Path(__file__).parents[1]


def test_the_description_is_the_applications():
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import describe_studio
    finally:
        sys.path.pop(0)
    assert describe_studio.OUT.read_text(encoding="utf-8") == describe_studio.document()


def test_every_operation_may_answer_with_a_problem():
    document = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}, path
            assert operation["operationId"]
    assert inklens.__version__ == document["info"]["version"]
