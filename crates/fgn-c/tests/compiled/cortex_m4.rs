//! What the C source needs on a Cortex-M4: functions, and memory on the stack.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use fgn_c::{Options, Sources, export};
use fgn_core::{AnyCell, Norm};
use fgn_nn::candle_core::{DType, Device};
use fgn_nn::fgn_schema::Moments;
use fgn_nn::{
    BlockConfig, BlockNorm, Classification, DenseConfig, Embedding, HeadConfig, InputConfig, Model,
    ModelConfig, NextToken, Pool, RecurrentConfig, Regression, Series,
};

use crate::target::{REDIRECT, cortex_m4};

/// Models that have, together, all parts.
fn models() -> Vec<ModelConfig> {
    let lstm = || RecurrentConfig::new(AnyCell::LSTM, 32).with_layers(2);
    let scale = Some(Moments { mean: vec![0.1; 3], std: vec![2.0; 3] });
    let series = || Series { scale: scale.clone(), ..Series::new(3) };
    let values = Regression { scale: scale.clone(), ..Regression::new(3) };
    let classes = |pool| Classification { pool, ..Classification::new(3) };
    let norm = Norm { pre: true, memory: true };
    let mlp = BlockConfig { mlp: 4.0, ..BlockConfig::default() };
    let conv = BlockConfig { conv: 4, mlp: 0.0, norm: BlockNorm::Layer, ..mlp };
    let dense = Some(DenseConfig { size: 24, dropout: 0.0 });
    let tokens = NextToken { cutoffs: vec![5, 10], ..NextToken::new(30) };
    let model =
        |input: InputConfig, recurrent, head: HeadConfig| ModelConfig::new(input, recurrent, head);
    let mut models = vec![
        model(series().into(), lstm().with_layers(1), values.clone().into()),
        model(series().into(), lstm().with_projection(20).with_norm(norm), values.into())
            .with_dense(dense),
        model(series().into(), lstm().with_block(mlp), classes(Pool::Attention).into()),
        model(series().into(), lstm().with_block(conv), classes(Pool::Mean).into()),
        model(Embedding::new(30, 8).into(), lstm().with_clip(1.0), tokens.into()),
    ];
    let cells = AnyCell::all().into_iter();
    models.extend(cells.map(|cell| {
        model(series().into(), RecurrentConfig::new(cell, 16), classes(Pool::Max).into())
    }));
    models
}

fn sources(config: &ModelConfig, name: &str, int8: bool) -> Sources {
    let model = Model::new(config, 1, DType::F32, &Device::Cpu).unwrap();
    export(&model, &Options::new(name).with_int8(int8)).unwrap()
}

/// The functions that an object calls but does not have.
fn called(object: &Path) -> BTreeSet<String> {
    let found = Command::new("arm-none-eabi-nm").arg("-u").arg(object).output().unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let text = String::from_utf8(found.stdout).unwrap();
    text.split_whitespace().filter(|word| *word != "U").map(str::to_owned).collect()
}

/// The most bytes of stack beside the arrays: of registers, return addresses and the functions of `math.h`.
const BESIDE_ARRAYS: usize = 256;

/// The program that writes how many bytes of stack a step of each model `m0`, `m1` and so on uses.
fn program(headers: &[String]) -> String {
    let mut includes = String::from("#include <stdio.h>\n");
    let (mut functions, mut calls) = (String::new(), String::new());
    for (at, header) in headers.iter().enumerate() {
        let input = if header.contains("uint32_t token") { "1" } else { "input" };
        writeln!(includes, "#include \"m{at}.h\"").unwrap();
        write!(
            functions,
            "static m{at}_state state_{at};\nstatic void step_{at}(void) {{\n    \
             m{at}_step(&state_{at}, {input}, output);\n}}\n\n"
        )
        .unwrap();
        write!(
            calls,
            "    m{at}_reset(&state_{at});\n    used = stack_used(step_{at});\n    \
             fwrite(&used, sizeof used, 1, stdout);\n"
        )
        .unwrap();
    }
    format!(
        "{includes}\nsize_t stack_used(void (*function)(void));\nstatic const float input[3];\n\
         static float output[30];\n\n{functions}int main(void) {{\n    size_t used;\n\n\
         {REDIRECT}{calls}    return 0;\n}}\n"
    )
}

#[test]
fn a_step_calls_functions_of_float_alone_and_uses_the_stack_that_it_says() {
    let Some(target) = cortex_m4() else { return };
    let folder = tempfile::tempdir().unwrap();
    let configs = models();
    let all = configs.iter().flat_map(|config| [(config, false), (config, true)]).enumerate();
    let all: Vec<_> =
        all.map(|(at, (config, int8))| sources(config, &format!("m{at}"), int8)).collect();
    let mut files = vec![folder.path().join("run.c")];
    let headers: Vec<_> = all.iter().map(|sources| sources.header.clone()).collect();
    fs::write(&files[0], program(&headers)).unwrap();
    for (at, sources) in all.iter().enumerate() {
        let file = folder.path().join(format!("m{at}.c"));
        fs::write(&file, &sources.source).unwrap();
        fs::write(file.with_extension("h"), &sources.header).unwrap();
        files.push(file);
    }
    let program = target.build(folder.path(), &files);
    let found = target.run(&program, Vec::new());
    let used = found.chunks_exact(4).map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap()));
    let used: Vec<_> = used.map(|bytes| bytes as usize).collect();
    assert_eq!(used.len(), all.len());
    for ((at, sources), used) in all.iter().enumerate().zip(used) {
        let arrays = sources.stack_bytes;
        let config = &configs[at / 2];
        let fits = (arrays..=arrays + BESIDE_ARRAYS).contains(&used);
        assert!(fits, "{used} bytes of stack, {arrays} of them arrays: {config:?}");
    }
    let functions: BTreeSet<_> =
        files[1..].iter().flat_map(|file| called(&file.with_extension("o"))).collect();
    let is_known = |name: &&String| {
        let of_strings = ["memcpy", "memset", "memmove"].contains(&name.as_str());
        of_strings || ["expf", "tanhf", "logf", "log1pf", "sqrtf"].contains(&name.as_str())
    };
    let unknown: Vec<_> = functions.iter().filter(|name| !is_known(name)).collect();
    assert!(unknown.is_empty() && functions.len() > 4, "{unknown:?} of {functions:?}");
}
