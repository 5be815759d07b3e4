"""A comparison with what its numbers say: made once, for the page, the JSON and the terminal."""

from dataclasses import dataclass

from analysis.comparison import Comparison
from analysis.report.claims import Claim, claims
from analysis.report.findings import verdict


@dataclass(frozen=True)
class Told:
    """verdict: the outcome in sentences, bad news first.  claims: each with its threshold and its outcome."""

    comparison: Comparison
    verdict: list[str]
    claims: list[Claim]


def tell(comparison: Comparison) -> Told:
    """What the numbers of a comparison say."""
    return Told(comparison, verdict(comparison), claims(comparison))
