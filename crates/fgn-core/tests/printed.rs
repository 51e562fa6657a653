//! The printed text of every cell, built by the host's C compiler, against the cell itself.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fgn_core::{
    AnyCell, Cell, CellVisitor, MAX_BLOCKS, MAX_STATES, MAX_VECTORS, StepInput, StepOutput, print,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The largest errors allowed, relative to the larger of the two and 1: of `double`, which a compiler may
/// contract into fused multiply-adds, and of `float`.
const DOUBLE: f64 = 1e-12;
const FLOAT: f64 = 2e-5;
const CASES: usize = 200;

/// Numbers of a case: those of [`StepInput`] with the normalised memory, and those of the gradient [`StepOutput`].
const GIVEN: usize = MAX_BLOCKS + MAX_STATES + MAX_VECTORS + 1 + 1 + MAX_STATES;
/// Numbers that a case leads to: a step, its gradient.
const FOUND: usize = 1 + MAX_STATES + MAX_BLOCKS + MAX_STATES + MAX_VECTORS + 1;

const MAIN: &str = r"
typedef void step_of(const real *, const real *, const real *, const real *, real *, real *);
typedef void grad_of(const real *, const real *, const real *, const real *, real, const real *,
                     real *, real *, real *, real *);

static void run(step_of *step, grad_of *grad, int cases) {
    for (int n = 0; n < cases; n++) {
        real given[GIVEN], found[FOUND] = {0};
        for (int i = 0; i < GIVEN; i++) {
            double number;
            if (scanf(FORMAT, &number) != 1) exit(1);
            given[i] = (real)number;
        }
        const real *pre = given, *prev = pre + BLOCKS, *vectors = prev + STATES;
        const real *memory = vectors + VECTORS, *d_output = memory + 1, *d_next = d_output + 1;
        real *output = found, *next = output + 1, *d_pre = next + STATES, *d_prev = d_pre + BLOCKS;
        real *d_vectors = d_prev + STATES, *d_memory = d_vectors + VECTORS;
        step(pre, prev, vectors, memory, output, next);
        grad(pre, prev, vectors, memory, *d_output, d_next, d_pre, d_prev, d_vectors, d_memory);
        for (int i = 0; i < FOUND; i++) printf(RESULT, (double)found[i]);
    }
}
";

/// A program that runs all cells' functions on the numbers that it reads, and prints what they give.
fn program() -> String {
    let mut source = format!(
        "#include <math.h>\n#include <stdio.h>\n#include <stdlib.h>\n{}\n\
         enum {{ BLOCKS = {MAX_BLOCKS}, STATES = {MAX_STATES}, VECTORS = {MAX_VECTORS}, GIVEN = {GIVEN}, FOUND = {FOUND} }};\n\
         #define FORMAT \"%lf\"\n#define RESULT \"%.17g\\n\"\n",
        print::PRELUDE
    );
    let mut calls = String::new();
    for (n, cell) in AnyCell::all().into_iter().enumerate() {
        let prefix = format!("cell{n}");
        source += &print::functions(cell, &prefix);
        for suffix in suffixes(cell) {
            writeln!(calls, "    run({prefix}_step{suffix}, {prefix}_grad{suffix}, {CASES});")
                .unwrap();
        }
    }
    format!("{source}{MAIN}\nint main(void) {{\n{calls}    return 0;\n}}\n")
}

/// Without and with a memory that is read from elsewhere.
fn suffixes(cell: AnyCell) -> &'static [&'static str] {
    if cell.spec().memory.is_some() { &["", "_normalized"] } else { &[""] }
}

/// What the cell itself gives for a case.
struct Expected<'a> {
    given: &'a [f64],
    normalized: bool,
}

impl CellVisitor for Expected<'_> {
    type Output = Vec<f64>;

    fn visit<C: Cell>(self, cell: C) -> Vec<f64> {
        let (pre, rest) = self.given.split_at(MAX_BLOCKS);
        let (prev, rest) = rest.split_at(MAX_STATES);
        let (vectors, rest) = rest.split_at(MAX_VECTORS);
        let spec = C::SPEC;
        let [blocks, states, vector_count] =
            [spec.blocks.len(), spec.states.len(), spec.vectors.len()];
        let mut at = StepInput::new(&pre[..blocks], &prev[..states], &vectors[..vector_count]);
        at.normalized_memory = self.normalized.then_some(rest[0]);
        let step = cell.step(&at);
        let d = cell.grad(&at, &StepOutput::new(rest[1], &rest[2..][..states]));
        let mut found = vec![step.output];
        found.extend(step.next);
        found.extend(d.pre);
        found.extend(d.prev);
        found.extend(d.vectors);
        found.push(d.normalized_memory.unwrap_or(0.0));
        found
    }
}

fn compiler() -> Option<String> {
    let named = std::env::var("CC").ok();
    let mut names = named.into_iter().chain(["cc".into(), "gcc".into(), "clang".into()]);
    names.find(|name| Command::new(name).arg("--version").output().is_ok())
}

fn build(compiler: &str, folder: &Path, flags: &[&str]) -> PathBuf {
    let (source, program_file) = (folder.join("cells.c"), folder.join("cells"));
    std::fs::write(&source, program()).unwrap();
    let built = Command::new(compiler)
        .args(["-std=c11", "-O1", "-Wall", "-Werror", "-Wno-unused-function"])
        .args(flags)
        .arg("-o")
        .args([&program_file, &source])
        .arg("-lm")
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    program_file
}

fn results(program: &Path, given: &[f64]) -> Vec<f64> {
    let mut child =
        Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let text: String = given.iter().map(|number| format!("{number:e}\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

#[test]
fn printed_functions_compute_what_the_cells_compute() {
    let Some(compiler) = compiler() else {
        println!("skipped: no C compiler");
        return;
    };
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let runs: usize = AnyCell::all().into_iter().map(|cell| suffixes(cell).len()).sum();
    let mut given: Vec<f64> =
        (0..runs * CASES * GIVEN).map(|_| f64::from(rng.random_range(-2.0..2.0_f32))).collect();
    let mut cases = given.chunks_mut(GIVEN);
    for cell in AnyCell::all() {
        let spec = cell.spec();
        for case in cases.by_ref().take(suffixes(cell).len() * CASES) {
            let states = &mut case[MAX_BLOCKS..][..spec.states.len()];
            spec.divisors(states).iter_mut().for_each(|n| *n = n.abs() + 0.5);
        }
    }
    for (name, flags, tolerance) in
        [("double", &["-DFGN_DOUBLE"][..], DOUBLE), ("float", &[], FLOAT)]
    {
        let folder = tempfile::tempdir().unwrap();
        let found = results(&build(&compiler, folder.path(), flags), &given);
        assert_eq!(found.len(), runs * CASES * FOUND);
        let mut cases = given.chunks(GIVEN).zip(found.chunks(FOUND));
        for cell in AnyCell::all() {
            for suffix in suffixes(cell) {
                for (given, found) in cases.by_ref().take(CASES) {
                    let expected =
                        cell.visit(Expected { given, normalized: !suffix.is_empty() }).unwrap();
                    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
                        let error = (found - expected).abs() / expected.abs().max(1.0);
                        assert!(
                            error <= tolerance,
                            "{cell}{suffix} in {name}, number {place}: {found} is not {expected}, for {given:?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_known_is_not_computed() {
    let source = print::functions(AnyCell::LSTM, "lstm");
    for needless in ["(real)0e0 ", "(real)1e0 *", "+ (real)0", "* (real)"] {
        assert!(!source.contains(needless), "{source}");
    }
    // The sum of the gradients with respect to the output and to the state after it.
    assert!(source.contains("= d_output + d_next[0];"), "{source}");
    let sigmoids = source.matches("fgn_sigmoid").count();
    // Three gates, in each of four functions: none is computed twice.
    assert_eq!(sigmoids, 12, "{source}");
}
