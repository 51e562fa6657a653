//! candle-nn's files, and code written for its `rnn`.

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use fgn_core::AnyCell;
use fgn_nn::RecurrentConfig;
use fgn_nn::rnn::{self, Direction, GRUConfig, LSTMConfig, RNN};

use super::{BATCH, HIDDEN, INPUT_SIZE, STEPS, assert_close, load, run, temporary, x};
use crate::common::{flat, random, scramble};

/// A `VarMap` with numbers without any structure in it, once `make` has asked for them.
fn vars(make: impl FnOnce(VarBuilder<'static>)) -> VarMap {
    let vars = VarMap::new();
    make(VarBuilder::from_varmap(&vars, DType::F64, &Device::Cpu));
    let data = vars.data().lock().unwrap();
    let mut all: Vec<_> = data.iter().map(|(name, var)| (name.clone(), var.clone())).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    scramble(&all);
    drop(data);
    vars
}

#[test]
fn candle_nn_s_files_load_as_they_are() {
    let batch_first = x().transpose(0, 1).unwrap().contiguous().unwrap();
    for cell in [AnyCell::LSTM, AnyCell::GRU] {
        let mut expected = None;
        let map = vars(|vb| match cell {
            AnyCell::Gru {} => drop(
                candle_nn::gru(INPUT_SIZE, HIDDEN, GRUConfig::default(), vb.pp("rnn")).unwrap(),
            ),
            _ => drop(
                candle_nn::lstm(INPUT_SIZE, HIDDEN, LSTMConfig::default(), vb.pp("rnn")).unwrap(),
            ),
        });
        let vb = VarBuilder::from_varmap(&map, DType::F64, &Device::Cpu).pp("rnn");
        if cell == AnyCell::GRU {
            let layer = candle_nn::gru(INPUT_SIZE, HIDDEN, GRUConfig::default(), vb).unwrap();
            let states = layer.seq(&batch_first).unwrap();
            expected.replace(states.into_iter().map(|state| state.h).collect::<Vec<_>>());
        } else {
            let layer = candle_nn::lstm(INPUT_SIZE, HIDDEN, LSTMConfig::default(), vb).unwrap();
            let states = layer.seq(&batch_first).unwrap();
            expected.replace(states.into_iter().map(|state| state.h).collect());
        }
        let file = temporary();
        map.save(&file.1).unwrap();
        let layer = load(&file, "rnn", &RecurrentConfig::new(cell, HIDDEN)).unwrap();
        assert_close(&run(&layer), &Tensor::stack(&expected.unwrap(), 0).unwrap());
    }
}

/// Code written for candle-nn's trait.
fn sequence<R: RNN>(layer: &R, x: &Tensor) -> (Tensor, R::State) {
    let states = layer.seq(x).unwrap();
    (layer.states_to_tensor(&states).unwrap(), states[STEPS - 1].clone())
}

fn stepwise<R: RNN>(layer: &R, x: &Tensor) -> R::State {
    let mut state = layer.zero_state(BATCH).unwrap();
    for t in 0..STEPS {
        let x = x.narrow(1, t, 1).unwrap().squeeze(1).unwrap().contiguous().unwrap();
        state = layer.step(&x, &state).unwrap();
    }
    state
}

#[test]
fn the_trait_of_candle_nn_gives_what_candle_nn_gives() {
    let x = x().transpose(0, 1).unwrap().contiguous().unwrap();
    let backward =
        LSTMConfig { layer_idx: 2, direction: Direction::Backward, ..LSTMConfig::default() };
    for config in [LSTMConfig::default(), LSTMConfig::default_no_bias(), backward] {
        let map = vars(|vb| drop(rnn::lstm(INPUT_SIZE, HIDDEN, config, vb).unwrap()));
        let vb = || VarBuilder::from_varmap(&map, DType::F64, &Device::Cpu);
        let ours = rnn::lstm(INPUT_SIZE, HIDDEN, config, vb()).unwrap();
        let theirs = candle_nn::lstm(INPUT_SIZE, HIDDEN, config, vb()).unwrap();
        let (found, expected) = (sequence(&ours, &x), sequence(&theirs, &x));
        assert_close(&found.0, &expected.0);
        for state in [found.1, stepwise(&ours, &x)] {
            assert_close(state.h(), expected.1.h());
            assert_close(state.c(), expected.1.c());
        }
        let gradients = |output: Tensor| {
            let weights = random(output.dims(), 9);
            let gradients = (output * weights).unwrap().sum_all().unwrap().backward().unwrap();
            let data = map.data().lock().unwrap();
            let mut names: Vec<_> = data.keys().cloned().collect();
            names.sort();
            names
                .iter()
                .flat_map(|name| flat(gradients.get(&data[name]).unwrap()))
                .collect::<Vec<_>>()
        };
        let (found, expected) = (gradients(found.0), gradients(expected.0));
        assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12));
    }
    for config in [GRUConfig::default(), GRUConfig::default_no_bias()] {
        let map = vars(|vb| drop(rnn::gru(INPUT_SIZE, HIDDEN, config, vb).unwrap()));
        let vb = || VarBuilder::from_varmap(&map, DType::F64, &Device::Cpu);
        let ours = rnn::gru(INPUT_SIZE, HIDDEN, config, vb()).unwrap();
        let theirs = candle_nn::gru(INPUT_SIZE, HIDDEN, config, vb()).unwrap();
        let (found, expected) = (sequence(&ours, &x), sequence(&theirs, &x));
        assert_close(&found.0, &expected.0);
        for state in [found.1, stepwise(&ours, &x)] {
            assert_close(state.h(), expected.1.h());
        }
    }
    let map = vars(|vb| drop(rnn::gru(INPUT_SIZE, HIDDEN, GRUConfig::default(), vb).unwrap()));
    let vb = || VarBuilder::from_varmap(&map, DType::F64, &Device::Cpu);
    let error = rnn::gru(INPUT_SIZE, HIDDEN + 1, GRUConfig::default(), vb()).map(drop).unwrap_err();
    assert!(error.to_string().contains("weight_ih_l0"), "{error}");
    let layer = rnn::gru(INPUT_SIZE, HIDDEN, GRUConfig::default(), vb()).unwrap();
    let error = layer.seq(&random(&[BATCH, STEPS, 4], 1)).map(drop).unwrap_err();
    assert!(error.to_string().contains("have shape [2, 6, 4], expected [B, T, 3]"), "{error}");
}

/// The weights, rounded to `dtype`, and these numbers in `f64`.
fn rounded(map: &VarMap, dtype: DType) -> [VarBuilder<'static>; 2] {
    let data = map.data().lock().unwrap();
    let round = |var: &Var| var.as_tensor().detach().to_dtype(dtype).unwrap();
    [dtype, DType::F64].map(|wide| {
        let tensors =
            data.iter().map(|(name, var)| (name.clone(), round(var).to_dtype(wide).unwrap()));
        VarBuilder::from_tensors(tensors.collect(), wide, &Device::Cpu)
    })
}

/// Weights of half precision compute as the same numbers in `f32` do; only the states are rounded.
#[test]
fn half_precision_is_computed_in_f32() {
    let x = x().transpose(0, 1).unwrap().contiguous().unwrap();
    let lstm = |vb| rnn::lstm(INPUT_SIZE, HIDDEN, LSTMConfig::default(), vb).unwrap();
    let gru = |vb| rnn::gru(INPUT_SIZE, HIDDEN, GRUConfig::default(), vb).unwrap();
    let (lstm_vars, gru_vars) = (vars(|vb| drop(lstm(vb))), vars(|vb| drop(gru(vb))));
    // Half a unit in the last place of numbers below 1.
    for (dtype, rounding) in [(DType::BF16, 2f64.powi(-9)), (DType::F16, 2f64.powi(-12))] {
        let half = x.to_dtype(dtype).unwrap();
        let exact = half.to_dtype(DType::F64).unwrap();
        let [narrow, wide] = rounded(&lstm_vars, dtype).map(lstm);
        let lstms = (sequence(&narrow, &half).0, sequence(&wide, &exact).0);
        let [narrow, wide] = rounded(&gru_vars, dtype).map(gru);
        let grus = (sequence(&narrow, &half).0, sequence(&wide, &exact).0);
        for (found, expected) in [lstms, grus] {
            assert_eq!(found.dtype(), dtype);
            for (found, expected) in flat(&found).into_iter().zip(flat(&expected)) {
                // An `f32` has about 1e-6 here.
                assert!((found - expected).abs() < rounding + 1e-6, "{found} {expected}");
            }
        }
        assert_eq!(narrow.zero_state(BATCH).unwrap().h().dtype(), dtype);
        let error = narrow.seq(&x).map(drop).unwrap_err().to_string();
        let expected =
            format!("inputs of the recurrent layer are F64, expected {}", dtype.as_str());
        assert!(error.contains(&expected), "{error}");
    }
}

#[test]
fn gradients_reach_weights_of_half_precision() {
    let map = VarMap::new();
    let vb = VarBuilder::from_varmap(&map, DType::BF16, &Device::Cpu);
    let layer = rnn::lstm(INPUT_SIZE, HIDDEN, LSTMConfig::default(), vb).unwrap();
    let x = random(&[BATCH, STEPS, INPUT_SIZE], 1).to_dtype(DType::BF16).unwrap();
    let gradients = sequence(&layer, &x).0.sum_all().unwrap().backward().unwrap();
    for (name, var) in map.data().lock().unwrap().iter() {
        let gradient = gradients.get(var).unwrap_or_else(|| panic!("{name} has no gradient"));
        assert_eq!((gradient.dtype(), gradient.dims()), (DType::BF16, var.dims()));
        assert!(flat(gradient).iter().any(|&x| x != 0.0), "{name}");
    }
}

#[test]
fn other_types_are_refused_when_a_layer_is_built() {
    for dtype in [DType::U32, DType::I64, DType::U8] {
        let vb = || VarBuilder::zeros(dtype, &Device::Cpu);
        let lstm = rnn::lstm(INPUT_SIZE, HIDDEN, LSTMConfig::default(), vb()).map(drop);
        let gru = rnn::gru(INPUT_SIZE, HIDDEN, GRUConfig::default(), vb()).map(drop);
        for error in [lstm.unwrap_err(), gru.unwrap_err()] {
            let expected = format!("parameters are {dtype:?}, expected F32 or F64");
            assert!(error.to_string().contains(&expected), "{error}");
        }
    }
    let vb = VarBuilder::zeros(DType::F32, &Device::Cpu);
    assert!(rnn::gru(0, HIDDEN, GRUConfig::default(), vb).is_err());
}

/// What candle-nn does with no steps, and with one bias of the two.
#[test]
fn the_edges_are_candle_nn_s() {
    let one_bias = LSTMConfig { b_hh_init: None, ..LSTMConfig::default() };
    let map = vars(|vb| drop(rnn::lstm(INPUT_SIZE, HIDDEN, one_bias, vb).unwrap()));
    assert_eq!(map.data().lock().unwrap().len(), 3);
    let vb = || VarBuilder::from_varmap(&map, DType::F64, &Device::Cpu);
    let ours = rnn::lstm(INPUT_SIZE, HIDDEN, one_bias, vb()).unwrap();
    let theirs = candle_nn::lstm(INPUT_SIZE, HIDDEN, one_bias, vb()).unwrap();
    let x = x().transpose(0, 1).unwrap().contiguous().unwrap();
    assert_close(&sequence(&ours, &x).0, &sequence(&theirs, &x).0);

    let nothing = x.narrow(1, 0, 0).unwrap();
    assert!(theirs.seq(&nothing).unwrap().is_empty());
    assert!(ours.seq(&nothing).unwrap().is_empty());
    let config = GRUConfig::default();
    let gru = rnn::gru(INPUT_SIZE, HIDDEN, config, VarBuilder::zeros(DType::F64, &Device::Cpu));
    assert!(gru.unwrap().seq(&nothing).unwrap().is_empty());
    // An input that is not contiguous.
    let strided = x.narrow(1, 1, 3).unwrap();
    let found = ours.states_to_tensor(&ours.seq(&strided).unwrap()).unwrap();
    assert_close(&found, &theirs.states_to_tensor(&theirs.seq(&strided).unwrap()).unwrap());
}
