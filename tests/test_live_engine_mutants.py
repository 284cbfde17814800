"""Well-known bugs, put into the text of engine.js one at a time: each makes a named test fail."""

from collections.abc import Callable

import pytest
import test_live_engine as live
from live_engine_fixtures import ENGINE

ERF = """((z) => { let sum = 0, term = z; for (let n = 0; n < 80; n++) {
  sum += term / (2 * n + 1); term *= (-z * z) / (n + 1); } return (2 / Math.sqrt(Math.PI)) * sum; })(
  value / Math.SQRT2)"""

# How it is broken -> what is replaced by what, and the test that sees it.
BUGS: dict[str, tuple[str, str, Callable[[str], None]]] = {
    "head gate ignored": (
        "= gates[head] * mixture[j]",
        "= mixture[j]",
        lambda text: live.test_the_decoder_equals_pytorch(text, "uneven"),
    ),
    "head gate only a switch": (
        "= gates[head] * mixture[j]",
        "= (gates[head] ? 1 : 0) * mixture[j]",
        lambda text: live.test_the_decoder_equals_pytorch(text, "uneven"),
    ),
    "gate changed but the rows kept": (
        "first = equal(gates, past.gates) ?",
        "first = true ?",
        lambda text: live.test_a_run_after_edits_equals_a_fresh_one_bit_for_bit(text, "uneven", 30),
    ),
    "source changed but the rows kept": (
        "past.source === source && equal(past.gates, now)",
        "equal(past.gates, now)",
        lambda text: live.test_a_translation_after_edits_equals_a_fresh_one_bit_for_bit(
            text, "uneven", 30
        ),
    ),
    "encoder's gate changed but the source kept": (
        " || !equal(source.gates, gates.encoder)",
        "",
        lambda text: live.test_a_translation_after_edits_equals_a_fresh_one_bit_for_bit(
            text, "uneven", 30
        ),
    ),
    "nothing kept": (
        "? sameStart(past.ids, ids) : 0;\n        const kept",
        "? 0 : 0;\n        const kept",
        live.test_only_what_changed_is_computed,
    ),
    "white space as JavaScript has it": (
        r"/ ?[A-Za-z]+| ?[0-9]+| ?[^A-Za-z0-9 \n\t\r]+|[ \n\t\r]+/gu",
        r"/ ?[A-Za-z]+| ?[0-9]+| ?[^A-Za-z0-9\s]+|\s+/gu",
        live.test_bytes_are_merged_as_in_python,
    ),
    "byte order mark eaten": (
        "ignoreBOM: true",
        "ignoreBOM: false",
        live.test_bytes_are_merged_as_in_python,
    ),
    "first pair merged first": (
        "best = Math.min(best, of(at))",
        "best = Math.min(best, best === Infinity ? of(at) : best)",
        live.test_bytes_are_merged_as_in_python,
    ),
    "last merge first": (
        "best = Math.min(best, of(at))",
        "best = of(at) < Infinity ? Math.max(best === Infinity ? -1 : best, of(at)) : best",
        live.test_bytes_are_merged_as_in_python,
    ),
    "positions from 0 after the kept ones": (
        "net.positions[row * D + (at % D)]",
        "net.positions[at]",
        lambda text: live.test_a_run_after_edits_equals_a_fresh_one_bit_for_bit(text, "uneven", 30),
    ),
    "sines from 0 after the kept ones": (
        "const angle = row /",
        "const angle = (row - first) /",
        lambda text: live.test_a_translation_after_edits_equals_a_fresh_one_bit_for_bit(
            text, "uneven", 30
        ),
    ),
    "constant of GELU rounded": (
        "0.044715",
        "0.0447",
        lambda text: live.test_the_decoder_equals_pytorch(text, "uneven"),
    ),
    "slope of GELU rounded": (
        "Math.sqrt(2 / Math.PI);",
        "0.798;",
        lambda text: live.test_the_decoder_equals_pytorch(text, "uneven"),
    ),
    "GELU through the error function": (
        "Math.tanh(SLOPE * (value + 0.044715 * value * value * value))",
        ERF,
        lambda text: live.test_the_decoder_equals_pytorch(text, "uneven"),
    ),
    "epsilon not the file's": (
        "variance / width + epsilon",
        "variance / width + 1e-5",
        lambda text: live.test_the_decoder_equals_pytorch(text, "uneven"),
    ),
    "epsilon a tenth": (
        "variance / width + epsilon",
        "variance / width + epsilon / 10",
        lambda text: live.test_the_decoder_equals_pytorch(text, "uneven"),
    ),
    "epsilon outside the root": (
        "Math.sqrt(variance / width + epsilon)",
        "Math.sqrt(variance / width) + epsilon",
        lambda text: live.test_the_translator_equals_pytorch(text, "uneven"),
    ),
    "variance unbiased": (
        "variance / width",
        "variance / (width - 1)",
        lambda text: live.test_the_decoder_equals_pytorch(text, "uneven"),
    ),
    "mask one too far": (
        "causal ? at + 1 :",
        "causal ? Math.min(at + 2, source.key.length) :",
        lambda text: live.test_the_decoder_equals_pytorch(text, "uneven"),
    ),
    "mask one too near": (
        "causal ? at + 1 :",
        "causal ? Math.max(at, 1) :",
        lambda text: live.test_the_translator_equals_pytorch(text, "uneven"),
    ),
    "scores not scaled by the head's size": (
        "score / Math.sqrt(size)",
        "score / Math.sqrt(width)",
        lambda text: live.test_the_translator_equals_pytorch(text, "uneven"),
    ),
    "last row of an odd number forgotten": (
        "i < n; i += 2",
        "i + 1 < n || i === 0; i += 2",
        lambda text: live.test_the_decoder_equals_pytorch(text, "uneven"),
    ),
    "top k without a new sum": (
        "const total = parts.reduce((a, b) => a + b);",
        "const total = logits.reduce((sum, logit) => sum + Math.exp((logit - most) / temperature), 0);",
        live.test_probabilities_are_those_of_the_implementation,
    ),
    "ties at the border of top k dropped": (
        "logit < least ? 0",
        "logit <= least && logit < most ? 0",
        live.test_probabilities_are_those_of_the_implementation,
    ),
}


@pytest.mark.parametrize("bug", BUGS)
def test_each_bug_is_caught_by_a_test_with_a_name(bug):
    engine = ENGINE.read_text(encoding="utf-8")
    right, wrong, catching = BUGS[bug]
    assert engine.count(right) == 1, f"{right!r} stands {engine.count(right)} times in engine.js"
    with pytest.raises(AssertionError):
        catching(engine.replace(right, wrong))
