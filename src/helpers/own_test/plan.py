"""What a test of one's own will do: the parameters of its notebook, and the folder it lies in."""

import ast
import json
import os
import re
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import nbformat

from helpers.errors import UserError
from helpers.faces import parts
from helpers.files import sha256
from helpers.protocol import registration
from helpers.protocol.policy import parse
from helpers.rebuild import notebooks
from helpers.site import citation

REGISTRATION = "registration.json"
PARAMETERS = "parameters"  # papermill's tag of the cell
MARK = re.compile(r"<!-- (?:cell|if: (?P<when>[\w, ]+)) -->\n")
CODE = re.compile(r"^```python\n(.*?)^```\n", re.M | re.S)


class Plan(NamedTuple):
    """The parameters of a test; paths are as seen from its folder, "" where there is none.

    probes, gallery: a folder of images, face metadata ("{model}" stands for the pipeline's name)
    or a named set. models: pipelines. rekognition: region and endpoint_url of a service that is
    asked as well, {} for none. labels, recorded_by: a CSV for the probes, and who wrote the labels
    down. pairs, images: two photographs of a person a row, and their folder.
    threshold: of the open pipelines. exploratory: nothing is registered.
    """

    probes: str
    gallery: str
    models: list[str]
    rekognition: dict
    labels: str = ""
    recorded_by: str = ""
    pairs: str = ""
    images: str = ""
    threshold: str = "default"
    exploratory: bool = False


PATHS = ("probes", "gallery", "labels", "pairs", "images")


def moved(plan: Plan, to) -> Plan:
    """The plan with each path p as to(p); named sets and "" stay."""
    given = plan._asdict()
    kept = ("", *registration.NAMED)
    return plan._replace(**{k: given[k] if given[k] in kept else to(given[k]) for k in PATHS})


def side(what: str, model: str) -> str:
    """A side of the search for one pipeline: "{model}" is its name."""
    return what.replace("{model}", model)


def frozen(plan: Plan) -> dict:
    """What the test will do, by digest: pipeline -> as from `registration.register`, and the pairs.

    plan: with paths as seen from here. Nobody is enrolled. Raises UserError.
    """
    count = parse(plan.threshold).kind == "count"
    if count and not plan.exploratory:
        raise UserError(f"--threshold {plan.threshold} needs the scores: say --exploratory as well")
    if any(parts.is_one(side(plan.gallery, model)) for model in plan.models or [""]):
        raise UserError(
            "a test of one's own takes no gallery in parts: give one file of face metadata, or use "
            "congress-test register and run, which take parts"
        )
    threshold = "default" if count else plan.threshold
    labels = Path(plan.labels) if plan.labels else None
    planned: dict = {
        model: registration.register(
            side(plan.probes, model), side(plan.gallery, model), model, "yunet", threshold, labels
        )
        for model in plan.models
    }
    if plan.rekognition:
        planned["rekognition"] = plan.rekognition | {
            "probes": registration.side(plan.probes, labels=labels),
            "gallery": registration.side(plan.gallery),
            "labels_sha256": sha256(labels) if labels else None,
        }
    return planned | {"pairs_sha256": sha256(Path(plan.pairs)) if plan.pairs else None}


def new(folder: Path, plan: Plan) -> None:
    """Make the folder of a test: notebook, registration, README, .gitignore.

    plan: with paths as seen from here. Raises UserError for a folder that exists, a name that is
    none, and whatever is wrong with the files named.
    """
    name = folder.name
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise UserError(f"{name!r}: name the test with small letters, digits and hyphens, my-test")
    if folder.exists():
        raise UserError(f"{folder} exists; choose another name, or remove it")
    if not plan.models and not plan.rekognition:
        raise UserError("there is no pipeline: give --model or --engine rekognition")
    if plan.pairs and not plan.images:
        plan = plan._replace(images=os.path.dirname(plan.pairs) or ".")
    planned = frozen(plan)
    plan = moved(plan, lambda path: os.path.relpath(path, folder))
    fields = {"name": name, "version": citation.cff()["version"]}
    fields |= {"lines": "\n".join(f"{k} = {v!r}" for k, v in plan._asdict().items())}
    fields |= {"cite": citation.collection()}
    folder.mkdir(parents=True)
    if not plan.exploratory:
        registration.write(planned, folder / REGISTRATION)
    for template, made in (("readme.txt", "README.md"), ("gitignore.txt", ".gitignore")):
        (folder / made).write_text(filled(template, fields), "utf-8")
    nbformat.write(notebook(filled("template.txt", fields)), folder / f"{name}.ipynb")


def filled(template: str, fields: dict) -> str:
    """A file of this room with {{ name }} replaced."""
    text = (resources.files("helpers.own_test") / template).read_text("utf-8")
    return re.sub(r"\{\{ (\w+) \}\}", lambda m: str(fields[m[1]]), text)


def notebook(text: str):
    """The template as a notebook: `<!-- if: a, not b -->` becomes tags if-a, if-not-b of a cell."""
    nb = nbformat.v4.new_notebook()
    starts = [*MARK.finditer(text)]
    for mark, end in zip(starts, [*(m.start() for m in starts[1:]), len(text)], strict=True):
        tags = ["if-" + "-".join(c.split()) for c in (mark["when"] or "").split(",") if c]
        body = text[mark.end() : end]
        if code := CODE.match(body):
            cell = nbformat.v4.new_code_cell(code[1].rstrip())
            if code[1].startswith("# parameters"):
                tags.append(PARAMETERS)
        else:
            cell = nbformat.v4.new_markdown_cell(body.strip())
        if tags:
            cell.metadata["tags"] = tags
        cell["id"] = ""  # the position's, so that the same template gives the same bytes
        nb.cells.append(cell)
    notebooks.normalise(nb)
    return nb


def read(nb) -> Plan:
    """The parameters of a notebook; those of a cell that papermill injected come last.

    Raises UserError where there are none, or one is no plain value.
    """
    found: dict = {}
    for cell in nb.cells:
        if {PARAMETERS, "injected-parameters"} & set(cell.metadata.get("tags", [])):
            try:
                for line in ast.parse(cell.source).body:
                    if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
                        found[line.targets[0].id] = ast.literal_eval(line.value)
            except (SyntaxError, ValueError) as error:
                raise UserError(f"a parameter of the notebook is no plain value: {error}") from None
    if unknown := sorted(set(found) ^ set(Plan._fields)):
        raise UserError(f"the notebook's parameters are not those of a test: {', '.join(unknown)}")
    return Plan(**found)


def registered(plan: Plan, planned: dict, folder: Path) -> str:
    """The SHA-256 of the registration that the plan keeps to, "" where it is exploratory.

    Raises UserError where there is none, or something else is planned.
    """
    if plan.exploratory:
        return ""
    path = folder / REGISTRATION
    if not path.is_file():
        raise UserError(f"{path} is missing; set exploratory = True in the notebook to go without")
    told = set(json.loads(path.read_text("utf-8")))
    if extra := sorted(told - set(planned) - {"hypotheses"}):
        raise UserError(f"{path} registered {', '.join(extra)} as well")
    return registration.require(path, planned)
