"""Says what an environment lacks of a requirements file: `packages.py requirements.txt`.

Prints what is missing as a half-sentence, nothing when all is there. Versions that differ from the
pins are a note on stderr. Runs on any Python, so that an old one is told apart from an empty one.
"""

import os
import sys


def main(path):
    if sys.version_info < (3, 11):
        print("is Python %d.%d; needs 3.11 or later" % sys.version_info[:2])
        return
    pins = dict(read_pins(path))
    found = {name: installed_version(name) for name in pins}
    missing = [name for name, version in found.items() if version is None]
    # A local part names the build (2.14.1+cpu), not another version.
    other = [n for n, v in found.items() if v is not None and v.partition("+")[0] != pins[n]]
    if missing:
        print("lacks " + ", ".join(missing))
    elif other:
        told = ", ".join("%s %s (pinned: %s)" % (n, found[n], pins[n]) for n in other)
        print("mos: note: %s has %s" % (sys.prefix, told), file=sys.stderr)


def read_pins(path):
    """Yields (name, version) of every `name==version`, following `-r other.txt`."""
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            line = line.partition("#")[0].strip()
            if line.startswith("-r "):
                for pin in read_pins(os.path.join(os.path.dirname(path), line[3:].strip())):
                    yield pin
            elif line:
                name, _, version = line.partition("==")
                yield name.strip(), version.strip()


def installed_version(name):
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    main(sys.argv[1])
