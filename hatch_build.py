"""Build hook of wheels: compile the kernels ahead of time; without a C compiler the package still installs."""

import os
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
        if prepared := os.environ.get("INKLENS_WHEEL"):
            self._pack(Path(prepared), build_data)
            return
        sys.path.insert(0, str(ROOT / "scripts"))
        from build_kernels import build

        built = build(FOLDER)
        build_data["artifacts"].append(str(built.relative_to(ROOT)))
        if built.suffix == ".so":
            self._tag(sysconfig.get_platform().replace("-", "_").replace(".", "_"), build_data)

    def _pack(self, folder, build_data):
        """Pack what lies in a folder that is called like the platform: see scripts/build_wheels.py."""
        for file in sorted(folder.iterdir()):
            build_data["force_include"][str(file)] = f"inklens/linear/kernels/{file.name}"
        if folder.name != "any":
            self._tag(folder.name, build_data)

    def _tag(self, platform, build_data):
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
