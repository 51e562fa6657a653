//! A C program that runs several models over what it reads.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use fgn_c::{Options, Sources, export};
use fgn_nn::Model;
use fgn_nn::candle_core::Tensor;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::target::{REDIRECT, Target, targets};

/// What is given to one model, and how.
pub(crate) enum Given {
    /// The numbers of all steps.
    Numbers(Vec<f32>),
    Tokens(Vec<u32>),
    /// One image, to the function that runs a whole one.
    Image(Vec<f32>),
}

/// A model, and what it is given.
pub(crate) struct Case {
    pub(crate) what: String,
    name: String,
    sources: Sources,
    outputs: usize,
    given: Given,
}

impl Case {
    /// A model that gives `outputs` numbers a step, or an image. Models of one program have different `name`s.
    pub(crate) fn new(
        (what, name): (impl Into<String>, impl Into<String>),
        model: &Model,
        int8: bool,
        outputs: usize,
        given: Given,
    ) -> Self {
        let (what, name) = (what.into(), name.into());
        let sources = export(model, &Options::new(&*name).with_int8(int8)).unwrap();
        Self { what, name, sources, outputs, given }
    }

    /// The C function that runs it.
    fn function(&self) -> String {
        let Self { name, outputs, given, .. } = self;
        let begin = format!(
            "static void run_{name}(void) {{\n    static {name}_state state;\n    static float output[{outputs}];\n    \
             memset(&state, 0xff, sizeof state);\n    {name}_reset(&state);\n"
        );
        let (declare, count, call) = match given {
            Given::Numbers(numbers) => {
                let size = format!("{}_INPUTS", name.to_uppercase());
                let call = format!("{name}_step(&state, input, output)");
                (format!("float input[{size}]"), format!("{} / {size}", numbers.len()), call)
            }
            Given::Tokens(tokens) => {
                let call = format!("if ({name}_step(&state, input[0], output) != 0) exit(2)");
                ("uint32_t input[1]".into(), tokens.len().to_string(), call)
            }
            Given::Image(numbers) => {
                let call = format!("{name}_image(&state, input, output)");
                (format!("float input[{}]", numbers.len()), "1".into(), call)
            }
        };
        format!(
            "{begin}    for (int step = 0; step < {count}; step++) {{\n        static {declare};\n        \
             if (fread(input, sizeof input, 1, stdin) != 1) exit(1);\n        {call};\n        \
             fwrite(output, sizeof output, 1, stdout);\n    }}\n}}\n\n"
        )
    }

    fn bytes(&self) -> Vec<u8> {
        match &self.given {
            Given::Numbers(numbers) | Given::Image(numbers) => {
                numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
            }
            Given::Tokens(tokens) => tokens.iter().flat_map(|token| token.to_le_bytes()).collect(),
        }
    }
}

/// Holds the outputs of all cases, on each target that is there, against those that are `expected` of the case of an
/// index, with the largest error; `None` where any will do.
pub(crate) fn check(cases: &[Case], expected: impl Fn(usize) -> Option<(Vec<f64>, f64)>) {
    let all = outputs(cases);
    for (at, case) in cases.iter().enumerate().filter(|_| !all.is_empty()) {
        let Some((expected, bound)) = expected(at) else { continue };
        for (target, found) in &all {
            let what = format!("{target}: {}", case.what);
            assert_close(&what, &found[at], &expected, 1.0, bound);
        }
    }
}

/// The outputs of all cases, one after the other, on each target that is there. The others are skipped, with a word.
pub(crate) fn outputs(cases: &[Case]) -> Vec<(&'static str, Vec<Vec<f32>>)> {
    targets().iter().map(|target| (target.name(), outputs_on(target, cases))).collect()
}

fn outputs_on(target: &Target, cases: &[Case]) -> Vec<Vec<f32>> {
    let folder = tempfile::tempdir().unwrap();
    let files = write(cases, folder.path());
    let program = target.build(folder.path(), &files);
    let found = target.run(&program, cases.iter().flat_map(Case::bytes).collect());
    let mut numbers =
        found.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
    let of_case = |case: &Case| {
        let calls = match &case.given {
            Given::Numbers(given) => given.len() / inputs(&case.sources),
            Given::Tokens(tokens) => tokens.len(),
            Given::Image(_) => 1,
        };
        numbers.by_ref().take(calls * case.outputs).collect()
    };
    let all = cases.iter().map(of_case).collect();
    assert_eq!(numbers.next(), None, "numbers are left");
    all
}

/// Writes the files of a program that runs all cases.
fn write(cases: &[Case], folder: &Path) -> Vec<PathBuf> {
    let mut main = String::from("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n");
    let (mut functions, mut calls) = (String::new(), String::new());
    let mut files = vec![folder.join("run.c")];
    for case in cases {
        writeln!(main, "#include \"{}.h\"", case.name).unwrap();
        functions += &case.function();
        writeln!(calls, "    run_{}();", case.name).unwrap();
        let file = folder.join(format!("{}.c", case.name));
        fs::write(&file, &case.sources.source).unwrap();
        fs::write(file.with_extension("h"), &case.sources.header).unwrap();
        files.push(file);
    }
    write!(main, "\n{functions}int main(void) {{\n{REDIRECT}{calls}    return 0;\n}}\n").unwrap();
    fs::write(&files[0], main).unwrap();
    files
}

/// The numbers of a step, as the header says.
fn inputs(sources: &Sources) -> usize {
    let mut lines = sources.header.lines().filter(|line| line.contains("_INPUTS "));
    lines.next().unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}

/// Random numbers in `-bound .. bound`.
pub(crate) fn random(seed: u64, count: usize, bound: f32) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(-bound..bound)).collect()
}

/// Gives every parameter of a model other values, the biases and gains too: smaller, so that no sequence explodes, and
/// with something random added.
pub(crate) fn disturb(model: &Model, seed: u64) {
    for (at, (_, var)) in model.parameters().iter().enumerate() {
        let noise = random(seed * 1000 + at as u64, var.elem_count(), 0.15);
        let noise = Tensor::from_vec(noise, var.dims(), var.device()).unwrap();
        var.set(&((var.as_tensor() * 0.6).unwrap() + noise).unwrap()).unwrap();
    }
}

/// Holds numbers against others: the difference of each, relative to the larger of `least` and the number itself.
pub(crate) fn assert_close(what: &str, found: &[f32], expected: &[f64], least: f64, bound: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let spread = expected.iter().fold(0.0_f64, |largest, x| largest.max((x - expected[0]).abs()));
    assert!(spread > 1e-3 * least, "{what}: all outputs are about {}", expected[0]);
    for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs() / expected.abs().max(least);
        assert!(error <= bound, "{what}[{index}]: {found} is not {expected}, off by {error:e}");
    }
}
