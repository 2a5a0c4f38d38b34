"""Everything that goes to Kaggle, from kit.toml and notebook.py.

python kaggle/build.py            writes kaggle/generated/: notebook, metadata, wheel list, commands
python kaggle/build.py --check    exit code 1 if that would change anything
python kaggle/build.py --bundle   also puts the folders to upload together in build/kaggle/, wheels included
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

# Also where the kit itself is not installed.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from kit_bundle import ROOT, bundle
from kit_config import ConfigError, read_kit
from kit_files import HERE, generated_files

GENERATED = HERE / "generated"


def stale(files: dict[str, str], folder: Path) -> list[str]:
    """Paths within the folder that are missing, different, or no longer generated."""
    there = {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }
    return sorted(name for name in files.keys() | there.keys() if files.get(name) != there.get(name))


def write(files: dict[str, str], folder: Path) -> None:
    """Makes the folder hold these files and no others."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done, or nothing to do; 1: --check found a difference; 2: bad input, told in one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    parser.add_argument("--bundle", action="store_true", help="also make the folders to upload")
    parser.add_argument("--kit", type=Path, default=HERE / "kit.toml")
    parser.add_argument("--generated", type=Path, default=GENERATED, help="folder of the generated files")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "kaggle", help="folder of the bundle")
    parser.add_argument("--pythons", help="only these, such as 3.12 (default: all of kit.toml)")
    options = parser.parse_args(arguments)
    try:
        kit = read_kit(options.kit)
        files = generated_files(kit, (HERE / "notebook.py").read_text(encoding="utf-8"))
        if options.check:
            found = stale(files, options.generated)
            for name in found:
                print(f"{options.generated / name}: not current; run python kaggle/build.py", file=sys.stderr)
            return int(bool(found))
        write(files, options.generated)
        print(f"wrote {len(files)} files to {options.generated}")
        if options.bundle:
            pythons = options.pythons.split(",") if options.pythons else kit.wheels.pythons
            bundle(kit, files, options.out, pythons)
            print(f"wrote the bundle to {options.out}; the commands are in {options.generated / 'PUSH.md'}")
            if kit.user == "your-name":
                print("kaggle.user in kit.toml is still your-name: put yours there before you push")
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
