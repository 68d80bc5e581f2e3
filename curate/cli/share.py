"""Verbs for others to see a run by: report (a page), card (README.md), publish (the hub)."""

from curate.cli.options import Inputs, OutOrBeside


def report(run: str, *, out: OutOrBeside = None) -> None:
    """Write one self-contained HTML page about a run: funnel, rules, scores, samples, training, evaluation.

    Args:
        run: folder of a run.
        out: the page; RUN/report.html by default.
    """
    from curate.report import report as write

    print(write(run, out))


def card(
    path: str,
    *,
    out: OutOrBeside = None,
    check: bool = False,
    name: str = "",
    license: str = "",
    repo: str = "",
    evaluation: str = "",
    ablation: str = "",
) -> None:
    """Write the card of a corpus or a model: README.md as the hub shows it, every number from receipts and data.

    What was said once, and what a person wrote below the card, is kept when it is written again. A README.md by
    somebody else is not written over.

    Args:
        path: a run, one of its corpora, any folder of Parquet, or a model's folder (RUN/hf).
        out: the card; PATH/README.md by default.
        check: write nothing, and fail if the card that is there no longer agrees with the data.
        name: of the corpus or model; the folder's by default.
        license: the hub's name of it, such as odc-by; by default what every document states, or nothing.
        repo: USER/NAME on the hub, for the examples.
        evaluation: of a model, folder of `curate evaluate`; the model's own by default.
        ablation: of a model, folder of the `curate ablate` that chose its data.
    """
    from curate.publish import check_card, write_card

    if check:
        print(f"{check_card(path, out)} agrees with the data")
        return
    said = {"name": name, "license": license, "repo": repo, "evaluation": evaluation, "ablation": ablation}
    print(write_card(path, out, **said))


def publish(
    path: str,
    target: str,
    *,
    yes: bool = False,
    dry_run: bool = False,
    public: bool = False,
    delete: bool = False,
    allow: Inputs = [],  # noqa: B006
    name: str = "",
    license: str = "",
) -> None:
    """Show what would be uploaded to the Hugging Face hub; with --yes, upload it in one commit and verify it there.

    A public upload cannot be taken back, so a plan is what comes without --yes, and a new repository is private.

    Args:
        path: a run, one of its corpora, any folder of Parquet, or a model's folder (RUN/hf).
        target: hf://datasets/USER/NAME, for a model hf://USER/NAME; with @REVISION and /SUBFOLDER if wanted.
        yes: do it.
        dry_run: only show the plan, as without --yes.
        public: make a new repository public, or add to one that is public.
        delete: in the same commit, delete data files there that are not of this corpus.
        allow: publish although this speaks against it: addresses, secrets, unfinished, unknown. Repeat it for several.
        name: of the corpus or model, for its card.
        license: the hub's name of it, such as odc-by, for its card.
    """
    from curate.publish import publish as put

    if yes and dry_run:
        raise ValueError("--yes and --dry-run contradict each other; leave one out")
    options = {"public": public, "delete": delete, "name": name, "license": license}
    print(put(path, target, yes=yes, allow=allow, **options))  # type: ignore[arg-type]
    if not yes:
        print("nothing was uploaded; add --yes to do it")
