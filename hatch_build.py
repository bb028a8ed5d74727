"""Build hook of wheels: compile the kernels ahead of time; without a C compiler the package still installs."""

import sys
import sysconfig
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
FOLDER = ROOT / "src/inklens/linear/kernels"


class KernelBuildHook(BuildHookInterface):
    """Put the shared library beside its sources and tag the wheel `py3-none-<platform>`."""

    def initialize(self, version, build_data):
        """Compile, or pack the text that says why not."""
        sys.path.insert(0, str(ROOT / "scripts"))
        from build_kernels import build

        built = build(FOLDER)
        build_data["artifacts"].append(str(built.relative_to(ROOT)))
        if built.suffix != ".so":
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
