//! Trainings whose products round their operands to bf16.

use super::*;
use crate::training_config::TrainingPrecision;

#[test]
fn a_training_in_bf16_learns_about_as_one_in_f32() {
    let losses = |settings: &[&str]| {
        let config = testing::load(settings).unwrap();
        let mut trainer = trainer(&config);
        assert_eq!(trainer.run(&held_out(&config), &mut ()).unwrap(), End::Finished);
        let isa = trainer.state().isa.clone();
        (trainer.state().history().iter().map(|epoch| epoch.train.loss()).collect::<Vec<_>>(), isa)
    };
    let (exact, isa) = losses(&["training.epochs=3"]);
    let (rounded, with_engine) = losses(&["training.epochs=3", "training.precision=bf16"]);
    assert_ne!(exact, rounded);
    assert_eq!(
        with_engine,
        format!("{isa} with {} for bf16", fgn_nn::Bf16Engine::active().unwrap().name())
    );
    let difference = (exact[0] - rounded[0]).abs() / exact[0];
    assert!(difference < 0.05, "{exact:?} {rounded:?}");
    assert!(rounded[2] < 0.9 * rounded[0], "{rounded:?}");
}

#[test]
fn a_precision_is_kept_in_the_configuration_only_where_it_is_not_the_default() {
    let text = |settings: &[&str]| testing::load(settings).unwrap().to_toml().unwrap();
    assert!(!text(&[]).contains("precision"));
    assert!(!text(&["training.precision=f32"]).contains("precision"));
    assert!(text(&["training.precision=bf16"]).contains("precision = \"bf16\""));
    let error = testing::load(&["training.precision=int8"]).err().unwrap().to_string();
    assert!(error.contains("`f32` or `bf16`"), "{error}");
}

#[test]
fn a_model_without_precisions_refuses_them() {
    let (data, model) = (toml::Table::new(), toml::Table::new());
    let mut config = Config::new("own", data, TrainingConfig::new(2, 3), model);
    config.training.precision = TrainingPrecision::Bf16;
    let error = Trainer::new(&config, Mean::new()).err().unwrap().to_string();
    assert!(
        error.contains("training.precision") && error.contains("this model has no other"),
        "{error}"
    );
}
