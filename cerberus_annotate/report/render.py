"""Templates of this folder → HTML. Whatever comes from a project is escaped."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cerberus_annotate.report.pictures import jpeg_data_uri


def environment() -> Environment:
    """jinja2 over `report/templates`: escapes everything, and a name that is not given is an error.

    Filters: `picture` (uint8 (h, w, 3) → data URI of a JPEG), `number` (1234.5 → 1,234),
    `area` (mm², three digits after the point below 1), `share` (0.123 → 12.3 %).
    """
    made = Environment(
        loader=PackageLoader("cerberus_annotate.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["picture"] = jpeg_data_uri
    made.filters["number"] = lambda value, digits=0: f"{value:,.{digits}f}"
    made.filters["area"] = lambda value: f"{value:,.{3 if value < 1 else 1}f}"
    made.filters["share"] = lambda value, digits=1: f"{100 * value:.{digits}f} %"
    return made


def render(template: str, **facts: Any) -> str:
    """The HTML of a template, which needs no other file."""
    return environment().get_template(template).render(**facts)
