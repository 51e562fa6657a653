//! Runs in bf16 as users call them: by an option, and by the tensors' own type.

use candle_core::{DType, Device, Result, Tensor, Var};
use fgn_core::{AnyCell, Layout};
use fgn_kernels::{
    Bf16Engine, Isa, LayerStreamWeights, PackedWeights, Precision, SequenceOptions, sequence,
};

const CELL: AnyCell = AnyCell::LSTM;
const SIZES: [usize; 4] = [6, 5, 7, 20];

fn options() -> SequenceOptions {
    SequenceOptions::default().with_precision(Precision::Bf16)
}

/// Input, weights and states, drawn from a formula.
fn arguments(dtype: DType) -> Result<[Var; 3]> {
    let [steps, batch, input, hidden] = SIZES;
    let draw = |count: usize, scale: f32| -> Vec<f32> {
        (0..count)
            .map(|n| ((n * 7919 + 13) % 2003) as f32 / 1001.0 - 1.0)
            .map(|x| x * scale)
            .collect()
    };
    let parameters = Layout::new(CELL.spec(), input, hidden).len();
    let tensor = |numbers, shape: &[usize], dtype| {
        Var::from_tensor(&Tensor::from_vec(numbers, shape, &Device::Cpu)?.to_dtype(dtype)?)
    };
    let states = CELL.spec().states.len();
    Ok([
        tensor(draw(steps * batch * input, 1.0), &[steps, batch, input], dtype)?,
        tensor(draw(parameters, 0.3), &[parameters], dtype)?,
        tensor(draw(states * batch * hidden, 0.5), &[states, batch, hidden], DType::F32)?,
    ])
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    let flat = tensor.to_dtype(DType::F32).and_then(|tensor| tensor.flatten_all());
    flat.and_then(|tensor| tensor.to_vec1()).expect("numbers of a tensor")
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f32 {
    numbers(a).iter().zip(numbers(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn rounding_changes_results_a_little_and_only_where_it_is_wanted() {
    let [x, weights, states] = arguments(DType::F32).unwrap();
    let run = |options| sequence(CELL, &x, &weights, &states, &options).unwrap();
    let (exact, rounded) = (run(SequenceOptions::default()), run(options()));
    let difference = largest_difference(&exact.output, &rounded.output);
    assert!((1e-5..0.02).contains(&difference), "{difference}");
    let again = run(SequenceOptions::default().with_precision(Precision::F32));
    assert_eq!(numbers(&again.output), numbers(&exact.output));

    let gradients = |run: &Tensor| {
        let all = run.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        [&x, &weights, &states].map(|of| all.get(of).unwrap().clone())
    };
    for (exact, rounded) in gradients(&exact.output).iter().zip(gradients(&rounded.output)) {
        let scale = numbers(exact).iter().fold(0.0, |most: f32, x| most.max(x.abs()));
        let difference = largest_difference(exact, &rounded) / scale;
        assert!((1e-6..0.03).contains(&difference), "{difference}");
    }
}

#[test]
fn tensors_in_bf16_run_as_with_the_option() {
    let [x, weights, states] = arguments(DType::BF16).unwrap();
    let run = sequence(CELL, &x, &weights, &states, &SequenceOptions::default()).unwrap();
    assert_eq!([run.output.dtype(), run.states.dtype()], [DType::BF16, DType::F32]);
    let wide = [x.to_dtype(DType::F32).unwrap(), weights.to_dtype(DType::F32).unwrap()];
    let expected = sequence(CELL, &wide[0], &wide[1], &states, &options()).unwrap();
    assert_eq!(numbers(&run.states), numbers(&expected.states));
    let output = expected.output.to_dtype(DType::BF16).unwrap();
    assert_eq!(numbers(&run.output), numbers(&output));
    let gradients = run.output.sum_all().unwrap().backward().unwrap();
    for (of, dtype) in [(&x, DType::BF16), (&weights, DType::BF16), (&states, DType::F32)] {
        let gradient = gradients.get(of).unwrap();
        assert_eq!((gradient.dtype(), gradient.dims()), (dtype, of.dims()));
        assert!(numbers(gradient).iter().any(|&d| d != 0.0));
    }
}

#[test]
fn packed_weights_give_the_same_bits_in_both_precisions() {
    let [.., input, hidden] = SIZES;
    for dtype in [DType::F32, DType::BF16] {
        let [x, weights, states] = arguments(dtype).unwrap();
        let packed = PackedWeights::new(CELL, &weights, [input, hidden], &options()).unwrap();
        for options in [options(), SequenceOptions::default(), options()] {
            let found = packed.sequence(&x, &states, &options).unwrap();
            let expected = sequence(CELL, &x, &weights, &states, &options).unwrap();
            assert_eq!(numbers(&found.output), numbers(&expected.output), "{dtype:?}");
        }
    }
}

#[test]
fn what_cannot_run_says_why() {
    let says = |result: Result<()>, what: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(what), "{error} does not say {what}");
    };
    let [x, weights, states] = arguments(DType::F32).unwrap();
    let run = |tensors: [&Tensor; 3], options: &SequenceOptions| {
        sequence(CELL, tensors[0], tensors[1], tensors[2], options).map(drop)
    };
    let int8 = SequenceOptions::default().with_precision(Precision::Int8);
    says(run([&x, &weights, &states], &int8), "got Int8, which is for streams alone");
    let wide = [&x, &weights, &states].map(|tensor| tensor.to_dtype(DType::F64).unwrap());
    says(run([&wide[0], &wide[1], &wide[2]], &options()), "for a run in bf16, got F64");
    let narrow = x.to_dtype(DType::BF16).unwrap();
    says(
        run([&narrow, &weights, &states], &options()),
        "got weights of F32 beside an input of BF16",
    );
    let stream = LayerStreamWeights::new(CELL, &weights, [7, 20], Precision::F32, &options());
    says(stream.map(drop), "without `precision`");
}

#[test]
fn the_engine_is_one_that_the_machine_has() {
    let isa = Isa::active().unwrap();
    let all: Vec<_> = Bf16Engine::available(isa);
    assert_eq!(all.last().map(|engine| engine.name()), Some("f32"));
    if std::env::var("FGN_BF16").is_err() {
        assert!(all.contains(&Bf16Engine::active().unwrap()));
    }
}
