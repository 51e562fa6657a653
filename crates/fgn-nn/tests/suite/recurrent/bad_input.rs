//! Whatever does not fit is an error with what was found and what was expected; nothing panics.

use candle_core::{DType, Device, Tensor};
use fgn_core::{AnyCell, Norm};
use fgn_nn::{Emit, Error, Recurrent, RecurrentConfig, RecurrentOptions, SequenceDropout, State};

use super::{INPUT_SIZE, layer};
use crate::common::{parameters, random};

const HIDDEN: usize = 5;

fn lstm() -> RecurrentConfig {
    RecurrentConfig {
        layers: 2,
        bidirectional: true,
        ..RecurrentConfig::new(AnyCell::LSTM, HIDDEN)
    }
}

fn refused(layer: &Recurrent, x: &Tensor, run: &RecurrentOptions<'_>) -> String {
    layer.forward(x, run).map(drop).unwrap_err().to_string()
}

fn assert_says(error: &str, expected: &str) {
    assert!(error.contains(expected), "{error:?} does not say {expected:?}");
}

#[test]
fn inputs() {
    let (layer, _) = layer(&lstm());
    for (shape, expected) in [
        (&[6, 2, 4][..], "inputs of the recurrent layer have shape [6, 2, 4], expected [T, B, 3]"),
        (&[6, 3], "inputs of the recurrent layer have shape [6, 3], expected [T, B, 3]"),
        (&[0, 2, 3], "no size may be zero: input [T, B, I] is [0, 2, 3]"),
        (&[6, 0, 3], "no size may be zero: input [T, B, I] is [6, 0, 3]"),
    ] {
        let x = Tensor::zeros(shape, DType::F64, &Device::Cpu).unwrap();
        for emit in [Emit::All, Emit::Last, Emit::States] {
            assert_says(
                &refused(&layer, &x, &RecurrentOptions { emit, ..RecurrentOptions::default() }),
                expected,
            );
        }
    }
    let (batch_first, _) = super::layer(&RecurrentConfig { batch_first: true, ..lstm() });
    let error = refused(&batch_first, &random(&[2, 6, 4], 1), &RecurrentOptions::default());
    assert_says(&error, "have shape [2, 6, 4], expected [B, T, 3]");
    for dtype in [DType::F32, DType::F16, DType::BF16, DType::U8] {
        let x = random(&[6, 2, 3], 1).to_dtype(dtype).unwrap();
        let expected =
            format!("inputs of the recurrent layer are {dtype:?}, expected F64: convert");
        assert_says(&refused(&layer, &x, &RecurrentOptions::default()), &expected);
    }
}

#[test]
fn lengths_and_resets() {
    let (layer, _) = layer(&lstm());
    let x = random(&[6, 2, 3], 1);
    for (lengths, expected) in [
        (&[6][..], "expected a length for each of 2 sequences, got 1"),
        (&[6, 6, 6], "expected a length for each of 2 sequences, got 3"),
        (&[0, 6], "expected lengths of 1 to 6, got 0 for sequence 0"),
        (&[6, 7], "expected lengths of 1 to 6, got 7 for sequence 1"),
    ] {
        for emit in [Emit::All, Emit::Last, Emit::States] {
            let run =
                RecurrentOptions { lengths: Some(lengths), emit, ..RecurrentOptions::default() };
            assert_says(&refused(&layer, &x, &run), expected);
        }
    }
    let zeros = |shape: [usize; 2], dtype| Tensor::zeros(&shape, dtype, &Device::Cpu).unwrap();
    for (resets, expected) in [
        (zeros([2, 6], DType::U8), "resets have shape [2, 6], expected [6, 2]"),
        (zeros([6, 2], DType::F32), "resets are F32, expected U8"),
        (zeros([6, 2], DType::U32), "resets are U32, expected U8"),
    ] {
        let run = RecurrentOptions { resets: Some(&resets), ..RecurrentOptions::default() };
        assert_says(&refused(&layer, &x, &run), expected);
    }
}

#[test]
fn states() {
    let (layer, _) = layer(&lstm());
    let x = random(&[6, 2, 3], 1);
    let of = |count: usize, shape: &[usize], dtype| {
        let tensor = Tensor::zeros(shape, dtype, &Device::Cpu).unwrap();
        State::new(vec![tensor; count], true)
    };
    for (state, expected) in [
        (of(4, &[1, 2, 5], DType::F64), "initial states have shape [1, 2, 5], expected [2, 2, 5]"),
        (of(4, &[2, 3, 5], DType::F64), "initial states have shape [2, 3, 5], expected [2, 2, 5]"),
        (of(4, &[2, 5], DType::F64), "initial states have shape [2, 5], expected [2, 2, 5]"),
        (of(2, &[2, 2, 5], DType::F64), "[layers, directions], have shape [1, 2], expected [2, 2]"),
        (of(0, &[2, 2, 5], DType::F64), "[layers, directions], have shape [0, 2], expected [2, 2]"),
        (of(4, &[2, 2, 5], DType::F32), "initial states are F32, expected F64"),
    ] {
        let run = RecurrentOptions { state: Some(&state), ..RecurrentOptions::default() };
        assert_says(&refused(&layer, &x, &run), expected);
    }
    let one_way = State::new(layer.zero_state(2).unwrap().tensors().to_vec(), false);
    let run = RecurrentOptions { state: Some(&one_way), ..RecurrentOptions::default() };
    assert_says(&refused(&layer, &x, &run), "have shape [4, 1], expected [2, 2]");
}

#[test]
fn configurations() {
    let refused = |config: RecurrentConfig, input_size| {
        let refused = Recurrent::new(&mut parameters(1), "layer", input_size, &config);
        refused.map(drop).unwrap_err().to_string()
    };
    let drop = |rate| SequenceDropout { rate, per_step: false };
    let min_gru = RecurrentConfig { layers: 2, ..RecurrentConfig::new(AnyCell::MIN_GRU, HIDDEN) };
    let one = RecurrentConfig { layers: 1, ..lstm() };
    let memory = Norm { pre: false, memory: true };
    for (config, expected) in [
        (
            RecurrentConfig { hidden_size: 0, ..lstm() },
            "`recurrent.hidden_size` is 0, expected 1 to",
        ),
        (RecurrentConfig { layers: 0, ..lstm() }, "`recurrent.layers` is 0, expected 1 to"),
        (RecurrentConfig { projection: Some(0), ..lstm() }, "a projection to 1 to 4 units, got 0"),
        (RecurrentConfig { projection: Some(5), ..lstm() }, "a projection to 1 to 4 units, got 5"),
        (RecurrentConfig { projection: Some(2), ..min_gru.clone() }, "min-gru: no projection"),
        (
            RecurrentConfig { norm: memory, ..min_gru.clone() },
            "min-gru: no normalisation of the memory",
        ),
        (
            RecurrentConfig { zoneout: vec![0.1; 3], ..lstm() },
            "at most 2 rates of zoneout, one a state, got 3",
        ),
        (
            RecurrentConfig { zoneout: vec![1.0], ..lstm() },
            "zoneout of at least 0 and below 1, got 1",
        ),
        (
            RecurrentConfig { clip: Some(0.0), ..lstm() },
            "clipped at a finite number above 0, got 0",
        ),
        (RecurrentConfig { clip: Some(f64::NAN), ..lstm() }, "number above 0, got NaN"),
        (RecurrentConfig { dropout: drop(1.0), ..lstm() }, "`recurrent.dropout.rate` is 1"),
        (
            RecurrentConfig { input_dropout: drop(-0.1), ..lstm() },
            "`recurrent.input_dropout.rate` is -0.1",
        ),
        (
            RecurrentConfig { hidden_dropout: drop(2.0), ..lstm() },
            "`recurrent.hidden_dropout.rate` is 2",
        ),
        (RecurrentConfig { weight_drop: f64::NAN, ..lstm() }, "`recurrent.weight_drop` is NaN"),
        (RecurrentConfig { dropout: drop(0.1), ..one.clone() }, "expected 0 in a single layer"),
        (RecurrentConfig { residual: true, ..one }, "expected false in a single layer"),
        (
            RecurrentConfig { hidden_dropout: drop(0.1), ..min_gru.clone() },
            "no gate of min-gru uses",
        ),
        (RecurrentConfig { weight_drop: 0.1, ..min_gru }, "no gate of min-gru uses"),
    ] {
        assert_says(&refused(config, INPUT_SIZE), expected);
    }
    assert_says(&refused(lstm(), 0), "`input_size` is 0, expected 1 to");
}

#[test]
fn sizes_of_one_and_odd_ones_run() {
    for cell in AnyCell::all() {
        for hidden_size in [1, 2, 17] {
            let (layer, _) = layer(&RecurrentConfig { hidden_size, cell, ..lstm() });
            for shape in [[1, 1, 3], [3, 1, 3], [1, 3, 3]] {
                let run = layer.forward(&random(&shape, 1), &RecurrentOptions::default()).unwrap();
                assert_eq!(run.output.dims(), [shape[0], shape[1], 2 * hidden_size]);
            }
        }
    }
}

/// The error names the first NaN, not one that follows from it.
#[test]
fn the_first_nan() {
    let (layer, list) = layer(&lstm());
    let lengths = Some(&[6, 3][..]);
    let find_nan = RecurrentOptions { find_nan: true, lengths, ..RecurrentOptions::default() };
    let mut numbers = vec![0.1; 6 * 2 * INPUT_SIZE];
    let x =
        |numbers: &[f64]| Tensor::from_slice(numbers, (6, 2, INPUT_SIZE), &Device::Cpu).unwrap();
    layer.forward(&x(&numbers), &find_nan).unwrap();
    // Beyond a sequence's end nothing is read.
    numbers[(5 * 2 + 1) * INPUT_SIZE] = f64::NAN;
    layer.forward(&x(&numbers), &find_nan).unwrap();
    numbers[(4 * 2) * INPUT_SIZE + 1] = f64::NAN;
    let error = layer.forward(&x(&numbers), &find_nan).map(drop).unwrap_err();
    let expected = Some(4);
    assert!(
        matches!(error, Error::NanState { state: "h", layer: 0, reverse: false, step, sequence: 0, unit: 0 } if step == expected),
        "{error}"
    );
    let text = "state h of unit 0 is NaN for the first time after step 4 of sequence 0, in layer 0";
    assert_eq!(error.to_string(), text);
    let without = RecurrentOptions { lengths, ..RecurrentOptions::default() };
    layer.forward(&x(&numbers), &without).unwrap();

    // In the reverse direction of the second layer, the end of a sequence comes first.
    numbers.fill(0.1);
    let (_, bias) = list.iter().find(|(name, _)| name.ends_with("bias_ih_l1_reverse")).unwrap();
    let mut biases = bias.to_vec1::<f64>().unwrap();
    biases[3] = f64::NAN;
    bias.set(&Tensor::from_vec(biases, bias.shape(), &Device::Cpu).unwrap()).unwrap();
    let error = refused(&layer, &x(&numbers), &find_nan);
    let expected = "state h of unit 3 is NaN for the first time after step 5 of sequence 0, in layer \
                    1, reverse";
    assert_eq!(error, expected);

    let mut tensors = layer.zero_state(2).unwrap().tensors().to_vec();
    let mut state = vec![0.0; 2 * 2 * HIDDEN];
    state[(2 + 1) * HIDDEN + 2] = f64::NAN;
    tensors[1] = Tensor::from_vec(state, (2, 2, HIDDEN), &Device::Cpu).unwrap();
    let state = State::new(tensors, true);
    let error =
        refused(&layer, &x(&numbers), &RecurrentOptions { state: Some(&state), ..find_nan });
    let expected = "state c of unit 2 is NaN for the first time before step 0 of sequence 1, in layer \
                    0, reverse";
    assert_eq!(error, expected);
}
