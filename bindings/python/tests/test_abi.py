"""ctypes lays the structures out as abi/abi.json says, which C and C++ compilers have agreed to."""

import ctypes
import json
import unittest
from typing import Any, Dict, List, Tuple

from dmf import Status, _abi
from dmf._library import lib

from .support import TOP

FACTS = json.loads((TOP / "abi/abi.json").read_text())


def places(structure: Any, name: str = "", start: int = 0) -> List[Tuple[str, int, int]]:
    """Name, offset and size of each member; of a structure without a name of its own, those of its members."""
    found = []
    for field in structure._fields_:
        member, at = getattr(structure, field[0]), name + field[0]
        nested = hasattr(field[1], "_fields_") and field[1].__name__ not in FACTS["structures"]
        if nested:
            found += places(field[1], at + ".", start + member.offset)
        else:
            found.append((at, start + member.offset, member.size))
    return found


class Abi(unittest.TestCase):
    def test_each_structure_has_its_layout(self) -> None:
        self.assertEqual(list(FACTS["structures"]), list(_abi.STRUCTURES))
        for name, facts in FACTS["structures"].items():
            structure = _abi.STRUCTURES[name]
            self.assertEqual(ctypes.sizeof(structure), facts["size"], name)
            self.assertEqual(ctypes.alignment(structure), facts["alignment"], name)
            expected = [(member["name"], member["offset"], member["size"]) for member in facts["members"]]
            self.assertEqual(places(structure), expected, name)

    def test_values_are_those_of_the_facts(self) -> None:
        for name, value in FACTS["constants"].items():
            if name.startswith("STATUS_"):
                self.assertEqual(Status[name[7:]], value)
            else:
                self.assertEqual(getattr(_abi, name), value)
        for name, facts in FACTS["enumerations"].items():
            values: Dict[str, int] = {key: int(value) for key, value in getattr(_abi, name).__members__.items()}
            self.assertEqual(values, facts["values"])

    def test_each_function_has_a_prototype_of_the_right_width(self) -> None:
        sizes = {name: facts["size"] for section in ("types", "enumerations") for name, facts in FACTS[section].items()}
        sizes.update({"size_t": 8, "double": 8})
        for name, facts in FACTS["functions"].items():
            function = getattr(lib, name)
            types = [parameter["type"] for parameter in facts["parameters"]]
            self.assertEqual(len(function.argtypes), len(types), name)
            for ctype, kind in zip([*function.argtypes, function.restype], [*types, facts["returns"]]):
                size = 8 if kind.endswith("*") else 0 if kind in ("VOID", "void") else sizes[kind]
                self.assertEqual(0 if ctype is None else ctypes.sizeof(ctype), size, f"{name}: {kind}")
