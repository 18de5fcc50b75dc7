"""layers.py SOURCE-DIR LIST: the implementation of tests/lint/layers, which has the rules."""

import glob
import os
import re
import sys

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)
MAIN = "daemon/main.c"  # above every room


def read_list(path):
    """Returns the layer of each room, and the rooms that each program may include."""
    layers, programs = {}, {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file):
            program, colon, rooms = line.split("#")[0].partition(":")
            if colon:
                programs[program.strip()] = rooms.split()
            else:
                layers.update(dict.fromkeys(program.split(), number))
    if not layers:
        sys.exit(f"layers: {path} lists no room")
    return layers, programs


def sources(top, rooms):
    """Yields the C files below the rooms, as paths relative to top, also those in a folder that is not a room."""
    tops = sorted({room.split("/")[0] for room in rooms})
    for directory in tops:
        for path in sorted(glob.glob(f"{top}/{directory}/**/*.[ch]", recursive=True)):
            yield os.path.relpath(path, top)


def resolve(top, included):
    """Returns the path of an included file relative to top. Includes are relative to top or to daemon/."""
    for path in (included, f"daemon/{included}"):
        if os.path.isfile(os.path.join(top, path)):
            return path
    return None


def module_of(path, families):
    room, name = os.path.split(path)
    stem = name.split(".")[0]
    for family in families.get(room, ()):
        if stem == family or stem.startswith(family + "_"):
            return f"{room}/{family}"
    return f"{room}/{stem}"


def find_circle(edges):
    """Returns a list of modules that include each other in a circle, or None."""
    done, path = set(), []

    def visit(module):
        if module in path:
            return path[path.index(module) :] + [module]
        if module in done:
            return None
        path.append(module)
        for other in sorted(edges.get(module, ())):
            circle = visit(other)
            if circle:
                return circle
        path.pop()
        done.add(module)
        return None

    for module in sorted(edges):
        circle = visit(module)
        if circle:
            return circle
    return None


def main():
    top, list_path = sys.argv[1:]
    layers, programs = read_list(list_path)
    complaints = []
    files = list(sources(top, [*layers, *programs]))
    families = {}
    for path in files:
        if path.endswith("_private.h"):
            room, name = os.path.split(path)
            families.setdefault(room, []).append(name[: -len("_private.h")])
    edges = {}
    for path in files:
        room = os.path.dirname(path)
        if room not in layers and room not in programs:
            complaints.append(f"{path}: {room} is not in {list_path}")
            continue
        with open(os.path.join(top, path), encoding="utf-8") as file:
            includes = INCLUDE.findall(file.read())
        for included in includes:
            other = resolve(top, included)
            if other is None:
                continue  # a generated file
            other_room = os.path.dirname(other)
            if other_room == room:
                edges.setdefault(module_of(path, families), set()).add(module_of(other, families))
            elif room in programs:
                if other_room not in programs[room]:
                    complaints.append(f"{path}: {room} may not include {included}")
            elif path != MAIN and layers.get(other_room, sys.maxsize) >= layers[room]:
                complaints.append(f"{path}: includes {included}, which is not in a lower layer")
    for module in list(edges):
        edges[module].discard(module)
    circle = find_circle(edges)
    if circle:
        complaints.append("a circle of includes: " + " > ".join(circle))
    print("\n".join(complaints), end="\n" if complaints else "")
    return bool(complaints) or not files


if __name__ == "__main__":
    sys.exit(main())
