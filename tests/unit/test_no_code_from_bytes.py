"""Nothing in the product turns received bytes into code: the source is read (DESIGN §11)."""

import ast
from pathlib import Path

import paglets

MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "jsonpickle", "cloudpickle", "yaml"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
ROOT = Path(paglets.__file__).parent


def offences(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found += [a.name for a in names if a.name.partition(".")[0] in MODULES]
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in MODULES:
                found.append(module)
            case ast.Call(func=ast.Name(id=name)) if name in BUILTINS:
                found.append(name)
    return found


def test_no_source_of_the_product_uses_them():
    sources = sorted(ROOT.rglob("*.py"))
    assert len(sources) > 50
    found = {path.name: offences(path.read_text()) for path in sources}
    assert {name: uses for name, uses in found.items() if uses} == {}


def test_the_scan_finds_what_it_looks_for():
    source = "import pickle, os\nfrom yaml import load\neval('1')\nre.compile('x')\nself.exec(1)"
    assert sorted(offences(source)) == ["eval", "pickle", "yaml"]
