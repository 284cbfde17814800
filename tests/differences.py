"""Which measured numbers are differences: between two arms of one run, so of one seed.

Experiment -> what is measured -> "a - b", both measured too; or "a" where a number is another one under a new name.
Paths are those of a smoke run. What an experiment adds here, `test_experiments.py` holds against its run.
"""

from generators.experiments.gpt1.bugs import MODELS as GPT_MODELS
from generators.experiments.gpt1.table5 import ARMS
from generators.experiments.ladder.models import RUNGS
from generators.experiments.layernorm.bugs import BUGS as NORM_BUGS
from generators.experiments.resnet.bugs import IN_TRAINING as BLOCK_BUGS

GPT_BUGS = [bug for bug in GPT_MODELS if bug != "right"]
OTHER_ARMS = [arm for arm in ARMS if arm != "full"]

DIFFERENCES: dict[str, dict[str, str]] = {
    "layernorm.batch_size": {
        "rise.layer_norm_1": "error.layer_norm_1 - error.layer_norm_128",
        "rise.batch_norm_4": "error.batch_norm_4 - error.batch_norm_128",
        "rise.none_32": "error.none_32 - error.none_128",
        "rises_more.32": "rise.batch_norm_32 - rise.layer_norm_32",
        "rises_more.4": "rise.batch_norm_4 - rise.layer_norm_4",
        "rise_recomputed.batch_norm_4": "recomputed.batch_norm_4 - recomputed.batch_norm_128",
    },
    "layernorm.bugs": {
        **{f"loss_above.{bug}": f"loss.{bug} - loss.layer_norm" for bug in NORM_BUGS},
        **{f"error_above.{bug}": f"error.{bug} - error.layer_norm" for bug in NORM_BUGS},
        "not_frozen_above.32": "not_frozen.32 - not_frozen.frozen",
        "not_frozen_above.32_sorted": "not_frozen.32_sorted - not_frozen.frozen",
        "not_frozen.frozen": "error.batch_norm",
    },
    "layernorm.convolutions": {
        "gain.layer_norm_on_none": "mean_loss.none - mean_loss.layer_norm",
        "gain.batch_norm_on_layer_norm": "mean_loss.layer_norm - mean_loss.batch_norm",
        "gain.channel_norm_on_layer_norm": "mean_loss.layer_norm - mean_loss.channel_norm",
        "more_right.layer_norm_on_none": "accuracy.layer_norm - accuracy.none",
        "more_right.batch_norm_on_layer_norm": "accuracy.batch_norm - accuracy.layer_norm",
        "more_right.channel_norm_on_layer_norm": "accuracy.channel_norm - accuracy.layer_norm",
    },
    "layernorm.dynamics": {
        "narrower.plain": "span.plain_none - span.plain_norm",
        "hidden_narrower.lstm": "hidden_span.lstm_none - hidden_span.lstm_norm",
    },
    "layernorm.long_sequences": {
        "faster.plain": "area.plain_none - area.plain_norm",
        "faster.lstm": "area.lstm_none - area.lstm_norm",
    },
    "layernorm.one_number": {"hidden_by_norm": "explained.none - explained.norm"},
    "layernorm.gain_at_start": {
        "one_better.layer": "area.layer_tenth - area.layer_one",
        "one_better.batch": "area.batch_tenth - area.batch_one",
        "one_ends_better.layer": "loss.layer_tenth - loss.layer_one",
        "one_ends_better.batch": "loss.batch_tenth - loss.batch_one",
    },
    "layernorm.placement": {
        "accuracy_of.post_over_none": "accuracy.post - accuracy.none",
        "loss_of.post_over_pre": "loss.post - loss.pre",
        "area_of.post_over_rms": "area.post - area.rms",
    },
    "layernorm.placement_deep": {
        "loss_of.post_he_over_pre_he": "loss.post_he - loss.pre_he",
        "accuracy_of.pre_over_none": "accuracy.pre - accuracy.none",
    },
    "resnet.depth": {
        **{
            f"gap.{what}.{depth}": f"{what}.plain_{depth} - {what}.residual_{depth}"
            for what in ("error", "loss", "test_error")
            for depth in (8, 20, 56)
        },
        "deeper.loss.plain.20_56": "loss.plain_56 - loss.plain_20",
        "deeper.error.residual.8_20": "error.residual_20 - error.residual_8",
        "sooner.20": "steps.plain_20 - steps.residual_20",
    },
    "resnet.responses": {"shallow_minus_deep": "mean.residual_20 - mean.residual_56"},
    "resnet.gradients": {
        "degradation": "loss.plain_56 - loss.plain_20",
        "equal_degradation": "equal_loss.plain_56 - equal_loss.plain_20",
    },
    "resnet.shortcuts": {
        "worse.8.half": "loss.half_8 - loss.A_8",
        "worse.8.gated": "loss.gated_8 - loss.A_8",
        "worse.8.convolution": "loss.C_8 - loss.A_8",
        "worse_in_test.8.half": "test_error.half_8 - test_error.A_8",
    },
    "resnet.preactivation": {
        "gain.loss.8": "loss.original_8 - loss.pre_8",
        "gain.test_error.20": "test_error.original_20 - test_error.pre_20",
        "gain_at_same_rate.8": "loss.same_rate_8 - loss.pre_8",
        "growth.20": "gain.loss.20 - gain.loss.8",
    },
    "resnet.lesions": {
        "residual_minus_plain": "kept.residual_20 - kept.plain_20",
        "several.regained.2": "several.settled.2 - several.as_trained.2",
    },
    "resnet.landscape": {
        "smoother_with_shortcuts": "by_network.residual_56.uphill - by_network.plain_56.uphill",
        "rougher_with_depth": "by_network.plain_20.uphill - by_network.plain_56.uphill",
        "fewer_dips": "by_network.plain_56.dips - by_network.residual_56.dips",
    },
    "resnet.bugs": {
        **{f"loss_above.{bug}": f"loss.{bug} - loss.right" for bug in BLOCK_BUGS},
        **{f"lost.{bug}": f"accuracy.right - accuracy.{bug}" for bug in BLOCK_BUGS},
        "loss_above.stride_in_first": "loss.stride_in_first - loss.right_bottleneck",
        "lost.not_frozen_shuffled": "accuracy.right - not_frozen.shuffled",
        "below_plain.backward": "loss.neither - loss.backward",
        "forward_below_backward": "loss.backward - loss.shortcut_detached",
        "ways.both": "loss.right",
        "ways.forward": "loss.shortcut_detached",
        "ways.neither": "loss.neither",
    },
    "gpt1.pretraining": {"ahead": "bits_per_byte.recurrent - bits_per_byte.language_model"},
    "gpt1.table5": {
        **{
            f"ahead.{arm}.{count}": f"accuracy.full.{count} - accuracy.{arm}.{count}"
            for arm in (*OTHER_ARMS, "frozen", "frozen_untrained", "naive_bayes")
            for count in (10, 20)
        },
        "growth.no_auxiliary": "ahead.no_auxiliary.20 - ahead.no_auxiliary.10",
        "gained.tuned.10": "ahead.from_scratch.10",
        "gained.frozen.10": "accuracy.frozen.10 - accuracy.frozen_untrained.10",
        "gained_more_frozen.10": "gained.frozen.10 - gained.tuned.10",
    },
    "gpt1.transferred": {
        "added.1": "accuracy.1 - accuracy.0",
        "added.2": "accuracy.2 - accuracy.1",
        "all_over_none": "accuracy.2 - accuracy.0",
        "all_over_early": "accuracy.2 - accuracy.early",
    },
    "gpt1.zero_shot": {"above_chance": "end - chance"},
    "gpt1.symmetry": {"ahead": "accuracy.both - accuracy.one"},
    "gpt1.bugs": {
        **{f"loss_above.{bug}": f"loss.{bug} - loss.right" for bug in GPT_BUGS},
        **{f"nats_above.{bug}": f"nats.{bug} - nats.right" for bug in GPT_BUGS},
        "gap.right": "nats.right - loss.right",
        "gap.mask_shifted": "nats.mask_shifted - loss.mask_shifted",
        "lost.read_at_padding": "accuracy.tuned_right - accuracy.read_at_padding",
    },
    "gpt2.yardstick": {"bought": "their_start.whole - ours.whole"},
    "ladder.climb": {
        **{
            f"bought.{name}_1": f"bits.{rung.below}_1 - bits.{name}_1"
            for name, rung in RUNGS.items()
            if rung.below
        },
        "altogether.1": "bits.decoder_of_2017_1 - bits.smaller_branches_1",
        "width_buys.1": "bits.start_at_any_width_1 - bits.start_by_width_1",
    },
}
