"""The worked answers compute what the model does."""

import pytest
import torch

from exercises import WrongAnswer


def test_the_answers_are_what_the_model_computes():
    from exercises.answers import transformer as answers
    from implementations.transformer import attention, label_smoothing, learning_rate, positions

    torch.manual_seed(0)
    q, k, v = torch.randn(5, 12), torch.randn(7, 12), torch.randn(7, 12)
    mixed = attention(q[None, None], k[None, None], v[None, None])[0][0, 0]
    torch.testing.assert_close(answers.attention(q, k, v), mixed)
    heads = [x.unflatten(-1, (3, 4)).transpose(0, 1)[None] for x in (q, k, v)]
    mixed = attention(*heads)[0][0].transpose(0, 1).flatten(1)
    torch.testing.assert_close(answers.multi_head(q, k, v, 3), mixed)
    assert answers.learning_rate(7, 32, 20) == pytest.approx(learning_rate(7, 32, 20))
    torch.testing.assert_close(answers.positions(9, 12), positions(9, 12))
    logits, target = torch.randn(8, 5), torch.tensor([1, 0, 3, 0, 2, 2, 4, 0])
    smoothed = label_smoothing(logits, target, 0.1, padding=0)
    torch.testing.assert_close(answers.label_smoothing(logits, target, 0.1, 0), smoothed)


def test_the_answer_puts_a_layer_together_as_the_model_does():
    from exercises.answers import transformer as answers
    from implementations.transformer import EncoderLayer, TransformerConfig

    torch.manual_seed(0)
    config = TransformerConfig(9, d_model=8, n_heads=2, d_ff=6, n_layers=1, dropout=0.0, context=5)
    layer = EncoderLayer(config).eval()
    attention, network = layer.self_attention, layer.feed_forward
    x = torch.randn(5, 8)
    found = answers.encoder_layer(
        x,
        lambda x: attention(x[None], attention.keys_values(x[None]))[0],
        layer.add_attention.norm,
        layer.add_feed_forward.norm,
        network.expand.weight.T,
        network.expand.bias,
        network.contract.weight.T,
        network.contract.bias,
    )
    torch.testing.assert_close(found, layer(x[None])[0])


def test_the_answer_searches_as_the_model_does():
    """Where a beam of 1 or one that never ends leaves no choice of what to do with ended sentences."""
    from exercises.answers import transformer as answers
    from implementations.transformer import Transformer, TransformerConfig, beam_search

    torch.manual_seed(1)
    config = TransformerConfig(9, d_model=8, n_heads=2, d_ff=6, n_layers=1, dropout=0.0, context=9)
    model = Transformer(config).eval()
    source = torch.tensor([[3, 5, 4]])

    def log_probs(tokens):
        logits = model(source, torch.tensor([tokens]))[0, -1]
        return logits.log_softmax(dim=0).tolist()

    for beam, end in ((1, 2), (3, -1)):
        ours = beam_search(model, source, torch.tensor([1]), end, max_length=5, beam=beam)[0]
        found = answers.beam_search(log_probs, 1, end, beam, 0.6, 5)
        assert found == ours.tolist()


def test_an_answer_that_changes_its_input_is_still_understood():
    from exercises.checks.transformer import check_attention

    def careless(q, k, v):
        mixed = (q @ k.T).softmax(-1) @ v
        q.zero_()
        return mixed

    with pytest.raises(WrongAnswer, match="not scaled"):
        check_attention(careless)
