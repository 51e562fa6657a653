"""Trained models on arrays: predictions, texts, streams."""

import numpy as np
import pytest

import fgn


def images(count, seed=0):
    return np.random.default_rng(seed).random((count, 28, 28), np.float32)


def test_predictions_have_numbers_and_answers(digits):
    model, _, _ = digits
    found = model.predict(images(3))
    assert found.kind == "logits"
    assert found.output.shape == (3, 10) and found.output.dtype == np.float32
    assert found.lengths is None
    assert [answer["class"] for answer in found.answers] == found.output.argmax(1).tolist()
    assert abs(sum(found.answers[0]["probabilities"].values()) - 1) < 1e-5
    assert model.config["recurrent"]["hidden_size"] == 16
    assert model.parameters()["head.weight"].shape == (10, 16)
    assert "images of 28 x 28 pixels" in repr(model)


def test_any_strides_and_types_give_the_same(digits):
    model, _, _ = digits
    x = images(4)
    expected = model.predict(x).output
    wide = np.zeros((4, 28, 56), np.float32)
    wide[..., ::2] = x
    same = [
        wide[..., ::2],
        np.asfortranarray(x),
        np.ascontiguousarray(x[::-1])[::-1],
        np.ascontiguousarray(x.transpose(2, 1, 0)).transpose(2, 1, 0),
        x.astype(">f4"),
        x.astype(np.float64),
        x.tolist(),
    ]
    for array in same:
        assert np.array_equal(model.predict(array).output, expected)
    memory = np.zeros(x.nbytes + 1, np.uint8)
    unaligned = memory[1:].view(np.float32).reshape(x.shape)
    unaligned[...] = x
    assert np.array_equal(model.predict(unaligned).output, expected)


@pytest.mark.parametrize(
    "samples, message",
    [
        (np.zeros((2, 28, 27), np.float32), "[2, 28, 27]"),
        (np.zeros((0, 28, 28), np.float32), "[0, 28, 28]"),
        (np.array(["a"]), "samples: expected numbers for images of 28 x 28 pixels, got <U1"),
        (np.zeros((2, 28, 28), np.complex64), "got complex64"),
        (None, "got object"),
    ],
)
def test_samples_that_do_not_fit_are_named(digits, samples, message):
    with pytest.raises(fgn.Error) as found:
        digits[0].predict(samples)
    assert message in str(found.value)


def test_series_have_lengths(series):
    x = np.zeros((2, 6, 2))
    x[0, :, 0] = 1000 + np.arange(6)
    x[1, :, 0] = 1000 - np.arange(6)
    answers = series.predict(x).answers
    assert [answer["name"] for answer in answers] == ["up", "down"]
    short = series.predict(x, lengths=[6, 3]).output
    np.testing.assert_allclose(short[1], series.predict(x[1:, :3]).output[0], rtol=1e-5, atol=1e-6)
    with pytest.raises(fgn.Error, match="7"):
        series.predict(x, lengths=[6, 7])


def test_a_stream_predicts_what_the_whole_gives(series):
    x = np.random.default_rng(3).normal(1000, 3, (2, 6, 2))
    stream = series.stream(batch=2)
    found = [stream.push(x[:, :1]), stream.push(x[:, 1:2]), stream.push(x[:, 2:])]
    for steps, output in zip((1, 2, 6), found):
        np.testing.assert_allclose(output, series.predict(x[:, :steps]).output, rtol=1e-4, atol=1e-5)
    assert stream.states()[0].shape[1:] == (2, 8)
    stream.reset()
    np.testing.assert_allclose(stream.push(x[:, :1]), found[0])
    with pytest.raises(fgn.Error, match="expected shape"):
        stream.push(x[:1])


def test_a_file_is_read_as_the_data_was(series, folder):
    answers = series.predict_file(folder / "steps.csv")
    assert len(answers) == 120
    right = sum(answer["name"] == ("up" if int(name) % 2 else "down") for name, answer in answers.items())
    assert right > 100
    with pytest.raises(fgn.Error, match="nowhere.csv"):
        series.predict_file(folder / "nowhere.csv")


def test_a_language_model_continues_texts(language):
    pieces = []
    text = language.generate("the cat", length=40, temperature=0, on_text=pieces.append)
    assert "".join(pieces) == text
    assert 30 <= len(text) <= 40
    assert text == language.generate("the cat", length=40, temperature=0)
    assert language.generate("the", length=40, seed=1) != language.generate("the", length=40, seed=2)
    assert "." not in language.generate("the cat", length=200, stop=["."], temperature=0)
    assert language.decode(language.encode("the mat.")) == "the mat."


def test_what_a_language_model_cannot_do_is_named(language, digits):
    for call, message in [
        (lambda: language.generate("the", temperature=-1), "temperature"),
        (lambda: language.generate("the", precision="f16"), '"f32", "bf16" or "int8", got "f16"'),
        (lambda: language.generate("the", length=-1), "length: expected a whole number"),
        (lambda: language.generate("Ωmega"), "Ω"),
        (lambda: language.decode([10_000]), "tokens: expected each below"),
        (lambda: language.predict([[-1]]), "samples: expected numbers from 0"),
        (lambda: language.predict([[0.5]]), "samples: expected whole numbers"),
        (lambda: digits[0].generate("the"), "a generator of tokens"),
        (lambda: digits[0].generate_images(1), "images"),
        (lambda: digits[0].stream(), "a stream: expected model.input.kind among"),
        (lambda: digits[0].sound_stream(), "audio"),
    ]:
        with pytest.raises(fgn.Error) as found:
            call()
        assert message in str(found.value), found.value
    with pytest.raises(TypeError, match="unknown option 'heat'"):
        language.generate("the", heat=1)


def test_an_exception_of_the_callback_ends_the_text(language):
    def stop(piece):
        raise LookupError(piece)

    with pytest.raises(LookupError):
        language.generate("the", on_text=stop)


def test_tokens_come_in_as_a_stream(language):
    tokens = np.array([language.encode("the cat sat")])
    stream = language.stream()
    found = np.concatenate([stream.push(tokens[:, :4]), stream.push(tokens[:, 4:])], 1)
    np.testing.assert_allclose(found, language.predict(tokens).output, rtol=1e-4, atol=1e-5)


def test_a_damaged_model_is_an_error(digits, tmp_path):
    _, result, _ = digits
    for file in ("config.toml", "model.safetensors"):
        with open(f"{result.run}/{file}", "rb") as source:
            (tmp_path / file).write_bytes(source.read())
    fgn.load(tmp_path)
    whole = (tmp_path / "model.safetensors").read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", whole[:8]):
        (tmp_path / "model.safetensors").write_bytes(damaged)
        with pytest.raises(fgn.Error, match="model.safetensors"):
            fgn.load(tmp_path)
