"""`python -m generators.bench PAPER [--rounds N]`: the nox session calls it."""

import argparse
import sys

from generators.bench import ROUNDS, benchmark, papers_with_benchmark
from generators.papers import UnknownName


def main() -> int:
    """Run the benchmarks that were named, or all."""
    parser = argparse.ArgumentParser(
        prog="nox -s bench --", description="Time a paper beside its peers."
    )
    parser.add_argument("papers", nargs="*", metavar="PAPER", help="all, unless named")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"{ROUNDS} unless said otherwise"
    )
    chosen = parser.parse_args()
    try:
        for paper in chosen.papers or papers_with_benchmark():
            record = benchmark(paper, chosen.rounds)
            print(f"wrote results/{paper}/{record.name}.json")
    except UnknownName as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
