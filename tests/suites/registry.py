"""What the suites are made of: sources from PyPI and crates.io and virtual environments, kept in a cache folder
outside the repository (BOATHOUSE_SUITES_CACHE, by default ~/.cache/boathouse-suites)."""

import json
import os
import pathlib
import subprocess
import sys
import tarfile
import urllib.parse
import urllib.request
import venv

CACHE = pathlib.Path(os.environ.get("BOATHOUSE_SUITES_CACHE", "~/.cache/boathouse-suites")).expanduser()


def environment(name, requirements):
    """The interpreter of a virtual environment with these packages."""
    folder = CACHE / "environments" / name
    interpreter, wanted = folder / "bin" / "python", folder / "requirements.txt"
    text = "\n".join(requirements) + "\n"
    if not wanted.exists() or wanted.read_text() != text:
        venv.create(folder, with_pip=True, clear=True)
        listed = folder / "wanted.txt"
        listed.write_text(text)
        subprocess.run([interpreter, "-m", "pip", "install", "--quiet", "--requirement", listed], check=True)
        listed.rename(wanted)
    return interpreter


def installed_version(interpreter, package):
    question = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([interpreter, "-c", question], check=True, capture_output=True, text=True).stdout.strip()


def python_source(package, version):
    """The folder of an unpacked source distribution."""
    index = f"https://pypi.org/pypi/{package}/json"
    if (folder := _unpacked(f"{package}-{version}")) is None:
        with urllib.request.urlopen(index, timeout=60) as answer:
            known = json.load(answer)
            files = known.get("releases", {}).get(version) or known["urls"]
        [url] = [file["url"] for file in files if file["packagetype"] == "sdist"]
        folder = _unpack(urllib.parse.urljoin(index, url), f"{package}-{version}")
    return folder


def crate(name, version):
    """The folder of an unpacked crate."""
    url = f"https://static.crates.io/crates/{name}/{name}-{version}.crate"
    return _unpacked(f"{name}-{version}") or _unpack(url, f"{name}-{version}")


def _unpacked(name):
    found = list((CACHE / "sources" / name).glob("*/"))
    return found[0] if found else None


def _unpack(url, name):
    folder = CACHE / "sources" / name
    folder.mkdir(parents=True, exist_ok=True)
    with urllib.request.urlopen(url, timeout=300) as answer, tarfile.open(fileobj=answer, mode="r|gz") as archive:
        archive.extractall(folder, **({"filter": "data"} if sys.version_info >= (3, 12) else {}))
    return _unpacked(name)
