"""The page: sections that have something to say, beside a list of them."""

from curate.report import (
    ablation,
    again,
    copies,
    evaluations,
    leaks,
    mix,
    rules,
    samples,
    scaling,
    scores,
    steps,
    training,
)
from curate.report.markup import safe
from curate.report.style import STYLE
from curate.report.view import View

# Nothing may be loaded and nothing run, even if a document should find a way past the escaping.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

MEASURED = "What was trained and measured here. Every number is read from the files that the runs left."
ABOUT = "What a run of curate did to its documents, and why. Every number is read from receipts and columns."


def page(view: View) -> str:
    """Return the whole page about a run."""
    funnel = steps.gather(view)
    shown = {title: body for title, body in sections(view, funnel).items() if body}
    return _document(view.name, ABOUT if view.parts else MEASURED, steps.overview(funnel), shown)


def sections(view: View, funnel: steps.Steps) -> dict[str, str]:
    """Return title -> HTML of every section; empty where the run has nothing of it."""
    lines = view.families
    scored = {family: found for family, line in lines.items() if (found := scores.gather(line))}
    cuts = {family: scored[family].cuts if family in scored else () for family in lines}
    broken = [each for line in lines.values() for part in line if (each := rules.gather(part, line))]
    copied = [pairs for part in view.parts if (pairs := copies.gather(part))]
    leaked = [hits for part in view.parts if (hits := leaks.gather(part))]
    drawn = {family: samples.gather(line, cuts[family]) for family, line in lines.items()}
    mixed = [found for line in lines.values() for found in mix.gather(line)]
    trained, evaluated = training.gather(view.local), evaluations.gather(view.local)
    return {
        "Ablation": ablation.section(ablated) if (ablated := ablation.gather(view.local)) else "",
        "Funnel": steps.section(funnel) if view.parts else "",
        "Rules": rules.section(broken) if broken else "",
        "Scores": scores.section(list(scored.values())),
        "Documents": samples.section(drawn) if any(drawn.values()) else "",
        "Near-duplicates": copies.section(copied),
        "Benchmarks": leaks.section(leaked),
        "Mix": mix.section(mixed) if mixed else "",
        "Training": training.section(trained) if trained else "",
        "Evaluation": evaluations.section(evaluated) if evaluated else "",
        "Scaling": scaling.section(fitted) if (fitted := scaling.gather(view.local)) else "",
        "Reproduce": again.section(again.gather(view)),
    }


def _document(name: str, about: str, overview: str, shown: dict[str, str]) -> str:
    links = "".join(f'<li><a href="#{title.lower()}">{title}</a></li>' for title in shown)
    body = "".join(
        f'<section id="{title.lower()}" aria-labelledby="{title.lower()}-title">'
        f'<h2 id="{title.lower()}-title">{title}</h2>{part}</section>'
        for title, part in shown.items()
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{safe(name)}: curate report</title><link rel="icon" href="data:,"><style>{STYLE}</style></head>'
        '<body><a class="skip" href="#content">Skip to the content</a><div class="sheet">'
        f"<header><h1>{safe(name)}</h1><p>{about}</p>{overview}</header>"
        f'<div class="columns"><nav aria-label="Contents"><ul>{links}</ul></nav>'
        f'<main id="content" tabindex="-1">{body}</main></div>'
        "<footer>Written by curate report. This page loads nothing and runs no script.</footer></div></body></html>\n"
    )
