import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_layers_of_the_page_are_the_layers_that_are_checked() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    drawn = page.partition("<!-- layers")[2].partition("```\n")[2].partition("```")[0]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (checked,) = (each["layers"] for each in contracts["contracts"] if each["type"] == "layers")
    assert drawn.splitlines() == checked


def test_every_package_stands_on_a_layer_and_is_described() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    parts = {
        path.stem
        for path in (ROOT / "paglets").iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").exists()) and path.stem.isidentifier()
    }
    undescribed = {
        name
        for name in parts - {"__init__", "_version", "__main__", "failpoints"}
        if f"**{name}**" not in page
    }
    assert undescribed == set()
