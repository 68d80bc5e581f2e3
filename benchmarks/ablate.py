"""Are the verdicts of an ablation honest? Experiments whose answer is known, simulated intervals, and noise by size.

    python benchmarks/ablate.py aa --text text.parquet --out OUT    # the same corpus in both arms: not resolved
    python benchmarks/ablate.py ab --text text.parquet --out OUT    # 30 % of B's tokens change places: better
    python benchmarks/ablate.py whole --text text.parquet --out OUT # one experiment through `ablate`, all of it
    python benchmarks/ablate.py power --out OUT                     # what smaller differences the runs of aa could find
    python benchmarks/ablate.py coverage                            # how often intervals hold the truth, by method
    python benchmarks/ablate.py noise --text text.parquet --out OUT # spread between seeds, by size and tokens

`aa` and `ab` train 40 experiments of 2 arms x 3 seeds (`benchmarks/trials.py`), two seconds of a core each, and ask
`curate.ablate.statistics`. They can be stopped and started again; without --text they read the standard library.
An honest interval of 95 % is wrong in one A/A of twenty: 38 of 40 is what it promises, and 3 wrong ones are no proof
against it. Hence the exact interval of the share.
"""

import itertools
import math
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
from cyclopts import App
from scipy.stats import beta
from simulated import METHODS, coverage, worlds
from trials import BATCH_TOKENS, MODEL, SEQ_LEN, STEPS, Kind, Pool, first_seed, prepare, run, train_all, write_texts

from curate.ablate.power import Noise, minimum_detectable, noise_of
from curate.ablate.run import ablate
from curate.ablate.statistics import Comparison, Measure, analyse

app = App(help=__doc__)
ANSWERS = {"aa": "not resolved", "ab": "better"}


@app.command
def aa(*, out: str, text: str | None = None, experiments: int = 40, seeds: int = 3, first: int = 0) -> None:
    """Both arms are the same pieces of text, each in its own order; any other verdict than "not resolved" is wrong.

    Args:
        out: folder of the measurements.
        text: Parquet file with id, source, text.
        experiments: how many.
        seeds: of each arm.
        first: number of the first experiment; another one is another draw of everything.
    """
    _experiments("aa", out, text, experiments, seeds, first)


@app.command
def ab(*, out: str, text: str | None = None, experiments: int = 40, seeds: int = 3, first: int = 0) -> None:
    """In one arm 30 % of the tokens of each piece change places; the verdict on the other should be "better".

    Args:
        out: folder of the measurements.
        text: Parquet file with id, source, text.
        experiments: how many.
        seeds: of each arm.
        first: number of the first experiment.
    """
    _experiments("ab", out, text, experiments, seeds, first)


def _experiments(kind: Kind, out: str, text: str | None, experiments: int, seeds: int, first: int) -> None:
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    pool = Pool.read(text, folder)
    found = []
    for number in range(first, first + experiments):
        file = run(pool, folder / f"{kind}-{number:02}", kind=kind, experiment=number, seeds=seeds)
        found.append(verdict(file))
        one = found[-1]
        print(
            f"{kind} {number:>3}  {one.difference:+.4f} [{one.low:+.4f}, {one.high:+.4f}]  p {one.p:.4f}  "
            f"{'pairs' if one.paired else 'apart'}  {one.verdict}",
            flush=True,
        )
    counts = Counter(one.verdict for one in found)
    right = counts[ANSWERS[kind]]  # type: ignore[index]
    low, high = exact_interval(right, len(found))
    print(f"{kind}: {', '.join(f'{count} {name}' for name, count in counts.most_common())} of {len(found)}")
    print(f"{right / len(found):.1%} as it should be (exact 95 % interval {low:.1%} to {high:.1%})")
    print(correlation(folder, kind))


def measure_of(file: Path) -> Measure:
    data = np.load(file)
    values = {name: data[name] for name in ("clean", "other")}
    return Measure("bits per byte", values, data["weights"], data["strata"].tolist())


def verdict(file: Path) -> Comparison:
    """Return the clean arm beside the other."""
    return analyse([measure_of(file)], baseline="other", primary="bits per byte")[0]


def exact_interval(right: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Clopper and Pearson 1934)."""
    low = float(beta.ppf(0.025, right, total - right + 1)) if right else 0.0
    return low, float(beta.ppf(0.975, right + 1, total - right)) if right < total else 1.0


def correlation(folder: Path, kind: str) -> str:
    """Say how much seeds vary in each arm, and how far the arms' seeds go together, over all experiments."""
    scores = [np.stack([m.scores(arm) for arm in ("clean", "other")]) for m in _measures(folder, kind)]
    mean = np.mean([np.cov(some) for some in scores], axis=0)
    sd = np.sqrt(np.diag(mean))
    return (
        f"SD between seeds {sd[0]:.4f} (clean) and {sd[1]:.4f} (other) bits per byte; "
        f"correlation of seeds that share their first weights {mean[0, 1] / sd.prod():+.2f}"
    )


def _measures(folder: Path, kind: str) -> list[Measure]:
    return [measure_of(file) for file in sorted(folder.glob(f"{kind}-*.npz"))]


@app.command
def whole(*, out: str, text: str | None = None, kind: Kind = "ab", experiment: int = 1000, seeds: int = 3) -> None:
    """Give one experiment to `ablate` itself: the same arms, through its own preparation, training and verdict.

    Args:
        out: folder.
        text: Parquet file with id, source, text.
        kind: aa or ab.
        experiment: number of the experiment.
        seeds: of each arm.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    held, tokens = prepare(Pool.read(text, folder), folder / f"{kind}-tokens", kind, experiment)
    domains = {name: [piece.text for piece in held if piece.domain == name] for name in {p.domain for p in held}}
    given = {name.replace(" ", "-"): write_texts(texts, folder / "held" / name) for name, texts in domains.items()}
    sizes = {"tokens": STEPS * BATCH_TOKENS, "seq_len": SEQ_LEN, "batch_tokens": BATCH_TOKENS}
    arms = {name: tokens[name] for name in ("other", "clean")}
    first = 100 * first_seed(kind, experiment)
    print(ablate(arms, folder / f"{kind}-ablation", model=MODEL, seeds=seeds, seed=first, held_out=given, **sizes))  # type: ignore[arg-type]


@app.command
def power(*, out: str) -> None:
    """Move one arm of the trained A/A experiments by known amounts and count what is found, beside the forecast.

    Args:
        out: folder of `aa`.
    """
    measures = _measures(Path(out), "aa")
    noises = [noise_of(measure) for measure in measures]
    sd = math.sqrt(np.mean([noise.seed_sd**2 for noise in noises]))
    pairs = np.concatenate([np.subtract(*(m.scores(arm) for arm in ("clean", "other"))) for m in measures])
    rho = max(0.0, 1 - float((pairs**2).mean()) / sd**2)  # the true difference is 0
    noise = Noise(sd, float(np.mean([noise.item_se for noise in noises])), rho)
    smallest = minimum_detectable(noise, 3)
    print(f"noise: {noise}\nforecast: 3 seeds find {smallest:.4f} bits per byte in 80 % of cases")
    for share in (0.0, 0.5, 1.0, 1.5, 2.0):
        found = 0
        for measure, sign in itertools.product(measures, (-1, 1)):
            values = measure.values | {"clean": measure.values["clean"] + sign * share * smallest}
            moved = Measure(measure.name, values, measure.weights, measure.strata)
            wanted = "worse" if sign > 0 else "better"
            found += analyse([moved], baseline="other", primary=measure.name)[0].verdict == wanted
        print(f"difference {share * smallest:.4f}: found in {found} of {2 * len(measures)}", flush=True)


@app.command(name="coverage")
def coverage_of_intervals(*, draws: int = 2000, seed: int = 0) -> None:
    """Simulate two arms that do not differ and count how often the 95 % interval of each method holds 0.

    Printed is coverage in % / median width, for every world of `benchmarks/simulated.py`.

    Args:
        draws: of each world.
        seed: of the draws.
    """
    print(f"{'seeds  sd  items both  rho uneven':<36}{'tail':<14}" + "".join(f"{name:>15}" for name in METHODS))
    worst = dict.fromkeys(METHODS, 1.0)
    for world in worlds():
        found = coverage(world, draws, seed)
        sizes = f"{world.seeds:>4} {world.seed_sd:>5} {world.item_se:>5} {world.both_se:>5}"
        sizes += f" {world.correlation:>4} {world.uneven:>4}"
        cells = "".join(f"{100 * share:>9.1f}/{width:>5.2f}" for share, width in found.values())
        print(f"{sizes:<36}{world.tail + ' ' + str(world.items):<14}{cells}", flush=True)
        worst = {name: min(worst[name], share) for name, (share, _) in found.items()}
    print(f"{'worst':<50}" + "".join(f"{100 * share:>9.1f}      " for share in worst.values()))


@app.command
def noise(*, out: str, text: str | None = None, seeds: int = 4) -> None:
    """Print the SD between seeds of held-out bits per byte, by model and tokens; each row is a run of its own decay.

    Args:
        out: folder.
        text: Parquet file with id, source, text.
        seeds: trainings of each.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    pool = Pool.read(text, folder)
    for model, num_tokens in ((MODEL, 120_000), (MODEL, 480_000), ("1m", 120_000), ("1m", 480_000)):
        scores, parameters = train_all(pool, folder / "noise", model, num_tokens, seeds)
        spread = float(np.std(scores, ddof=1))
        print(
            f"{parameters:>9,} parameters {num_tokens:>10,} tokens: "
            f"{np.mean(scores):.4f} bits per byte, SD between {seeds} seeds {spread:.4f}",
            flush=True,
        )
    shutil.rmtree(folder / "noise")


if __name__ == "__main__":
    app()
