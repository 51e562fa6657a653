//! A C program that runs several models over what it reads.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fgn_c::{Options, Sources, export};
use fgn_nn::Model;
use fgn_nn::candle_core::Tensor;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const FLAGS: [&str; 6] = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1"];

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
                numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
            }
            Given::Tokens(tokens) => tokens.iter().flat_map(|token| token.to_ne_bytes()).collect(),
        }
    }
}

/// The outputs of all cases, one after the other. `None`, with a word, where there is no C compiler.
pub(crate) fn outputs(cases: &[Case]) -> Option<Vec<Vec<f32>>> {
    let compiler = compiler()?;
    let folder = tempfile::tempdir().unwrap();
    let mut main = String::from("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n");
    let (mut functions, mut calls) = (String::new(), String::new());
    let mut files = vec![folder.path().join("run.c")];
    for case in cases {
        writeln!(main, "#include \"{}.h\"", case.name).unwrap();
        functions += &case.function();
        writeln!(calls, "    run_{}();", case.name).unwrap();
        let file = folder.path().join(format!("{}.c", case.name));
        fs::write(&file, &case.sources.source).unwrap();
        fs::write(file.with_extension("h"), &case.sources.header).unwrap();
        files.push(file);
    }
    write!(main, "\n{functions}int main(void) {{\n{calls}    return 0;\n}}\n").unwrap();
    fs::write(&files[0], main).unwrap();
    let program = build(&compiler, folder.path(), &files);
    let input = cases.iter().flat_map(Case::bytes).collect();
    let found = run(Command::new(program), input);
    let mut numbers =
        found.chunks_exact(4).map(|bytes| f32::from_ne_bytes(bytes.try_into().unwrap()));
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
    Some(all)
}

/// The numbers of a step, as the header says.
fn inputs(sources: &Sources) -> usize {
    let mut lines = sources.header.lines().filter(|line| line.contains("_INPUTS "));
    lines.next().unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}

pub(crate) fn compiler() -> Option<String> {
    let named = std::env::var("CC").ok();
    let mut names = named.into_iter().chain(["cc".into(), "gcc".into(), "clang".into()]);
    let found = names.find(|name| Command::new(name).arg("--version").output().is_ok());
    if found.is_none() {
        println!("skipped: no C compiler");
    }
    found
}

/// Builds the program of these files, without a warning. Each is compiled beside the others.
pub(crate) fn build(compiler: &str, folder: &Path, files: &[PathBuf]) -> PathBuf {
    let compile = |file: &PathBuf| {
        let object = file.with_extension("o");
        let built = Command::new(compiler)
            .args(FLAGS)
            .arg("-c")
            .args([file.as_os_str(), "-o".as_ref(), object.as_os_str()])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success() && text.is_empty(), "{}: {text}", file.display());
        object
    };
    let half = files.len().div_ceil(2);
    let objects: Vec<PathBuf> = std::thread::scope(|scope| {
        let parts = files.chunks(half);
        let parts = parts.map(|part| scope.spawn(|| part.iter().map(compile).collect::<Vec<_>>()));
        let parts: Vec<_> = parts.collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    let program = folder.join("program");
    let linked = Command::new(compiler).arg("-o").arg(&program).args(&objects).arg("-lm").output();
    let linked = linked.unwrap();
    assert!(linked.status.success(), "{}", String::from_utf8_lossy(&linked.stderr));
    program
}

/// What the program writes, given this input. It must succeed.
pub(crate) fn run(mut program: Command, given: Vec<u8>) -> Vec<u8> {
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(&given));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    output.stdout
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

/// The numbers of a parameter, widened.
pub(crate) fn parameter(model: &Model, name: &str) -> Vec<f64> {
    let mut found = model.parameters().iter().filter(|(found, _)| found == name);
    let (_, var) = found.next().unwrap();
    let numbers: Vec<f32> = var.flatten_all().unwrap().to_vec1().unwrap();
    numbers.into_iter().map(f64::from).collect()
}
