//! The loop: what observers get, what each setting does.

mod ctc;
mod going_on;
mod groups;
mod initial;
mod outcome;
mod precision;
mod sessions;
mod text;
mod weighted;

use candle_core::{DType, Device, Tensor, Var};
use fgn_nn::Model;
use fgn_schema::{InputSchema, Schema, TargetSchema};

use super::*;
use crate::checkpoint::files::Checkpoint;
use crate::evaluation::evaluate;
use crate::observer::TrainingPlan;
use crate::optimizer::rules::OptimizerConfig;
use crate::step_metrics::StepMetrics;
use crate::testing::{self, Saved};
use crate::train::train;
use crate::training_config::{NonFinite, TrainingConfig};

/// Keeps what it gets.
#[derive(Default)]
struct Notes {
    plans: Vec<TrainingPlan>,
    steps: Vec<StepMetrics>,
    epochs: Vec<EpochMetrics>,
    /// The test losses of finished trainings.
    finished: Vec<f64>,
}

impl<M> Observer<M> for Notes {
    fn start(&mut self, plan: &TrainingPlan) -> Result<()> {
        self.plans.push(plan.clone());
        Ok(())
    }
    fn step(&mut self, step: &StepMetrics) -> Result<()> {
        self.steps.push(*step);
        Ok(())
    }
    fn epoch(&mut self, metrics: &EpochMetrics, _: &M) -> Result<()> {
        self.epochs.push(metrics.clone());
        Ok(())
    }
    fn finish(&mut self, finished: &Finished<'_, M>) -> Result<()> {
        assert_eq!(finished.history, self.epochs);
        assert_eq!(finished.config, self.plans[0].config);
        self.finished.push(finished.test.loss());
        Ok(())
    }
}

fn trainer(config: &Config) -> Trainer<Model> {
    let model = Model::new(&config.model, config.training.seed, DType::F32, &Device::Cpu).unwrap();
    Trainer::new(config, model).unwrap()
}

fn held_out(config: &Config) -> Dataset {
    config.data.divide(testing::dataset(), config.training.seed).unwrap()
}

fn weights(model: &Model) -> Vec<f32> {
    let of = |(_, var): &(String, Var)| var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    model.parameters().iter().flat_map(of).collect()
}

#[test]
fn it_learns_and_the_observer_gets_everything() {
    let (config, dataset) = (testing::config(), testing::dataset());
    let mut notes = Notes::default();
    let trained = train(&config, &dataset, &mut notes).unwrap();
    let plan = &notes.plans[0];
    assert_eq!(notes.plans.len(), 1);
    assert_eq!(plan.parameters, trained.model.parameter_count());
    assert_eq!(plan.samples.iter().sum::<usize>(), dataset.train.len() + dataset.test.len());
    assert_eq!(notes.steps.len(), plan.steps * plan.epochs);
    assert!(notes.steps.iter().map(|step| step.total).eq(1..=notes.steps.len()));
    let last = notes.steps.last().unwrap();
    assert_eq!((last.epoch, last.step, last.samples), (plan.epochs, plan.steps, plan.samples[0]));
    assert!(notes.steps.iter().all(|step| step.gradient_norm > 0.0));
    assert_eq!(notes.epochs, trained.history);
    assert_eq!(notes.finished, [trained.test.loss()]);
    assert_eq!(notes.epochs[0].learning_rate, notes.steps[plan.steps - 1].learning_rate);
    assert_eq!(trained.test, evaluate(&trained.model, &dataset.test).unwrap());
    let losses: Vec<_> = trained.history.iter().map(|epoch| epoch.train.loss()).collect();
    assert!(losses.last().unwrap() < &(0.5 * losses[0]), "{losses:?}");
    assert!(trained.test.get("accuracy") > Some(0.9), "{:?}", trained.test);
}

#[test]
fn without_held_out_images_an_epoch_has_no_validation() {
    let config = testing::load(&["data.validation=0", "training.epochs=1"]).unwrap();
    let trained = train(&config, &testing::dataset(), &mut ()).unwrap();
    assert_eq!(trained.history[0].valid, None);
}

#[test]
fn accumulated_batches_are_one_large_batch() {
    let run = |batch: usize, accumulate: usize| {
        let (batch, accumulate) =
            (format!("training.batch_size={batch}"), format!("training.accumulate={accumulate}"));
        let config = testing::load(&[&batch, &accumulate, "training.epochs=1"]).unwrap();
        let mut notes = Notes::default();
        let mut trainer = trainer(&config);
        trainer.run(&held_out(&config), &mut notes).unwrap();
        (weights(trainer.model()), notes.steps)
    };
    // 70 samples: the last step has 10 of them, in one batch of 8 and one of 2.
    let ((small, steps), (large, expected)) = (run(4, 5), run(20, 1));
    assert_eq!(steps.len(), 4);
    for (found, expected) in steps.iter().zip(&expected) {
        assert_eq!(found.samples, expected.samples);
        assert!((found.loss - expected.loss).abs() < 1e-4, "{found:?} {expected:?}");
    }
    for (small, large) in small.iter().zip(&large) {
        assert!((small - large).abs() < 1e-4, "{small} {large}");
    }
}

/// The steps of an epoch by hand give the weights that `run` gives, and `run` continues after them.
#[test]
fn steps_by_hand_are_those_of_a_run() {
    for accumulate in [1, 3] {
        let accumulate = format!("training.accumulate={accumulate}");
        let settings = ["schedule.name=constant", "training.epochs=1", &accumulate];
        let config = testing::load(&settings).unwrap();
        let (dataset, training) = (held_out(&config), config.training.clone());
        let mut whole = trainer(&config);
        let mut notes = Notes::default();
        whole.run(&dataset, &mut notes).unwrap();
        let order = Order::Shuffled { seed: training.seed, epoch: 1 };
        let batches = Batches::new(&*dataset.train, order, training.batch_size, &Device::Cpu);
        let batches: Vec<_> = batches.unwrap().collect::<fgn_data::Result<_>>().unwrap();
        for by_hand in [2, notes.steps.len()] {
            let mut trainer = trainer(&config);
            assert!(matches!(trainer.step(&[]), Err(Error::NoBatches)));
            let found = batches.chunks(training.accumulate).take(by_hand);
            let found: Vec<_> = found.map(|batches| trainer.step(batches).unwrap()).collect();
            assert_eq!(found, notes.steps[..by_hand]);
            trainer.run(&dataset, &mut ()).unwrap();
            assert!(weights(trainer.model()) == weights(whole.model()), "{by_hand} by hand");
        }
    }
    let broken = numbers(Some(0)).train.batch(&[0, 1], &Device::Cpu).unwrap();
    let message = own(|_| {}).step(&[broken]).unwrap_err().to_string();
    assert!(message.contains("samples of the given batches"), "{message}");
}

#[test]
fn a_group_of_nothing_is_refused() {
    let group = "groups=[{ parameters = \"*:psi\", learning_rate = 0.1 }]";
    let config = testing::load(&[group]).unwrap();
    let model = Model::new(&config.model, 1, DType::F32, &Device::Cpu).unwrap();
    let message = Trainer::new(&config, model).err().unwrap().to_string();
    assert!(message.contains("*:psi") && message.contains("phi"), "{message}");
}

#[test]
fn the_forgetting_gate_learns_on_its_own() {
    // All but the forgetting gate's rows stand still: a step of 1e-30 moves nothing that is not 0.
    let group = "groups=[{ parameters = \"*:phi\", learning_rate = 0.1 }]";
    let settings = [group, "optimizer.learning_rate=1e-30", "training.epochs=1"];
    let config = testing::load(&settings).unwrap();
    let before = Model::new(&config.model, 1, DType::F32, &Device::Cpu).unwrap();
    let trained = train(&config, &testing::dataset(), &mut ()).unwrap();
    let (mut still, mut moved) = (0, 0);
    for ((name, one), (_, other)) in before.parameters().iter().zip(trained.model.parameters()) {
        let flat = |var: &Var| var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let row = one.elem_count() / one.dims()[0];
        for (at, (one, other)) in flat(one).iter().zip(flat(other)).enumerate() {
            // phi is the fifth block of six rows of the input's weights and bias.
            let is_phi = ["recurrent.weight_ih_l0", "recurrent.bias_ih_l0"].contains(&&name[..])
                && at / row / 6 == 4;
            if is_phi {
                moved += usize::from(*one != other);
            } else {
                assert!((one - other).abs() < 1e-20, "{name} {at}");
                still += 1;
            }
        }
    }
    assert!(moved > 0 && still > 0, "{moved} {still}");
}

#[test]
fn the_average_is_what_is_measured_and_kept() {
    let plain = testing::load(&["training.epochs=2"]).unwrap();
    let averaged = testing::load(&["training.epochs=2", "training.average=0.99"]).unwrap();
    let dataset = testing::dataset();
    let plain = train(&plain, &dataset, &mut ()).unwrap();
    let averaged = train(&averaged, &dataset, &mut ()).unwrap();
    // The average changes nothing in how it learns.
    let losses =
        |history: &[EpochMetrics]| history.iter().map(|m| m.train.loss()).collect::<Vec<_>>();
    assert_eq!(losses(&plain.history), losses(&averaged.history));
    assert!(weights(&plain.model) != weights(&averaged.model));
    assert!(plain.history[1].valid != averaged.history[1].valid);
}

#[test]
fn it_stops_early_with_the_best_weights() {
    let settings = [
        "early_stopping={ patience = 2, min_delta = 0.2 }",
        "training.epochs=60",
        "optimizer.learning_rate=0.2",
    ];
    let config = testing::load(&settings).unwrap();
    let dataset = held_out(&config);
    let mut trainer = trainer(&config);
    assert_eq!(trainer.run(&dataset, &mut ()).unwrap(), End::StoppedEarly);
    let history = trainer.state().history();
    assert!(history.len() < 60);
    let best = history.iter().map(EpochMetrics::loss).fold(f64::INFINITY, f64::min);
    let valid = dataset.valid.as_ref().unwrap();
    assert_eq!(evaluate(trainer.model(), valid).unwrap().loss(), best);
}

#[test]
fn a_plateau_lowers_the_rate() {
    let settings = [
        "schedule={ name = \"plateau\", patience = 1, factor = 0.5 }",
        "optimizer.learning_rate=2.0",
        "training.epochs=8",
    ];
    let history =
        train(&testing::load(&settings).unwrap(), &testing::dataset(), &mut ()).unwrap().history;
    let rates: Vec<_> = history.iter().map(|epoch| epoch.learning_rate).collect();
    let mut lowest = history[0].loss();
    let mut expected = vec![2.0];
    for (epoch, rate) in history[..7].iter().zip(rates.clone()) {
        let fell = epoch.epoch == 1 || epoch.loss() < lowest;
        lowest = lowest.min(epoch.loss());
        expected.push(if fell { rate } else { 0.5 * rate });
    }
    assert_eq!(rates, expected);
    assert!(rates[7] < 2.0, "a rate of 2 never lowers the loss for long: {rates:?}");
}

#[test]
fn a_loss_that_is_no_number_stops_it_and_says_where() {
    let settings = ["optimizer={ name = \"sgd\", learning_rate = 1e38 }", "schedule.name=constant"];
    let config = testing::load(&settings).unwrap();
    let message = train(&config, &testing::dataset(), &mut ()).err().unwrap().to_string();
    for part in ["the loss is ", "in epoch 1, step ", "samples "] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn weights_that_are_not_finite_stop_it_even_where_steps_may_be_left_out() {
    let mut trainer = own(|config| {
        config.optimizer = OptimizerConfig::sgd(1e308);
        config.training.non_finite = NonFinite::Skip;
    });
    let message = trainer.run(&numbers(None), &mut ()).err().unwrap().to_string();
    assert!(message.contains("in epoch 1, step 2; not finite: mean"), "{message}");
}

/// One weight, pulled towards the mean of the samples' numbers; a state that sums all inputs.
struct Mean {
    parameters: Vec<(String, Var)>,
}

impl Mean {
    fn new() -> Mean {
        let var = Var::new(0.0f64, &Device::Cpu).unwrap();
        Mean { parameters: vec![("mean".into(), var)] }
    }
}

impl Learner for Mean {
    fn parameters(&self) -> &[(String, Var)] {
        &self.parameters
    }

    fn carries_state(&self) -> bool {
        true
    }

    fn forward(&self, batch: &Batch, pass: Pass<'_>) -> Result<Scored> {
        let input = batch.input().tensor().to_dtype(DType::F64)?;
        let sum = input.detach().sum_all()?;
        *pass.carried = vec![match pass.carried.first() {
            None => sum,
            Some(before) => (before + sum)?,
        }];
        let loss = input.broadcast_sub(self.parameters[0].1.as_tensor())?.sqr()?.mean_all()?;
        Ok(Scored::new(loss, batch.size(), None))
    }
}

/// The numbers 1 to 12, but for one that is none.
#[derive(Debug)]
struct Numbers {
    schema: Schema,
    broken: Option<u32>,
}

impl Samples for Numbers {
    fn name(&self) -> &str {
        "numbers"
    }
    fn len(&self) -> usize {
        12
    }
    fn schema(&self) -> &Schema {
        &self.schema
    }
    fn batch(&self, indices: &[u32], device: &Device) -> fgn_data::Result<Batch> {
        let number = |&index: &u32| match self.broken {
            Some(broken) if broken == index => f32::NAN,
            _ => index as f32 + 1.0,
        };
        let numbers: Vec<f32> = indices.iter().map(number).collect();
        let input = Tensor::from_vec(numbers, (indices.len(), 1, 1), device)?;
        Ok(Batch::new(input.clone(), input))
    }
}

fn numbers(broken: Option<u32>) -> Dataset {
    let target = TargetSchema::Value { names: vec!["number".into()], per_step: false };
    let schema = Schema::new(InputSchema::Series { features: 1 }, target);
    let part = |broken| Numbers { schema: schema.clone(), broken };
    Dataset { train: part(broken), valid: None, test: part(None) }.shared()
}

fn own(more: impl FnOnce(&mut Config<toml::Table, toml::Table>)) -> Trainer<Mean> {
    let (data, model) = (toml::Table::new(), toml::Table::new());
    let mut config = Config::new("own", data, TrainingConfig::new(2, 3), model);
    more(&mut config);
    Trainer::new(&config, Mean::new()).unwrap()
}

#[test]
fn a_model_and_data_of_ones_own_are_trained() {
    let mut trainer = own(|config| {
        config.training.epochs = 40;
        config.optimizer = OptimizerConfig::sgd(0.1);
        config.schedule = Schedule::Cosine { floor: 0.0 };
    });
    assert_eq!(trainer.run(&numbers(None), &mut ()).unwrap(), End::Finished);
    let found = trainer.model().parameters[0].1.to_scalar::<f64>().unwrap();
    assert!((found - 6.5).abs() < 0.1, "{found}");
    assert_eq!(trainer.state().history()[0].train.get("accuracy"), None);
}

#[test]
fn a_step_that_is_not_finite_is_left_out_when_asked_for() {
    let message = own(|_| {}).run(&numbers(Some(4)), &mut ()).err().unwrap().to_string();
    assert!(
        message.contains("the loss is NaN") && message.contains("the batch's input"),
        "{message}"
    );

    let mut notes = Notes::default();
    let mut trainer = own(|config| config.training.non_finite = NonFinite::Skip);
    trainer.run(&numbers(Some(4)), &mut notes).unwrap();
    let skipped = notes.steps.iter().filter(|step| !step.loss.is_finite()).count();
    assert_eq!((skipped, notes.steps.len()), (2, 8), "one of four steps in both epochs");
    assert!(trainer.model().parameters[0].1.to_scalar::<f64>().unwrap().is_finite());
    assert!(notes.epochs.iter().all(|epoch| epoch.train.loss().is_finite()));
}

#[test]
fn states_are_carried_along_streams_and_saved() {
    let sums = |carry: bool| {
        let mut saved = Saved::default();
        let mut trainer = own(|config| {
            config.training.carry_state = carry;
            config.checkpoint.every_steps = Some(1);
        });
        trainer.run(&numbers(None), &mut saved).unwrap();
        let sum = |checkpoint: &Checkpoint| {
            checkpoint.training.get("carried/0").map(|sum| sum.to_scalar::<f64>().unwrap())
        };
        saved.0.iter().map(sum).collect::<Vec<_>>()
    };
    // Three streams of four: 1 5 9, then 2 6 10, and so on. After an epoch there is nothing to carry.
    let epoch = [Some(15.0), Some(33.0), Some(54.0), None];
    assert_eq!(sums(true), [epoch, epoch].concat());
    assert!(sums(false).iter().all(|sum| sum.is_none_or(|sum| sum < 12.0 * 3.0)));
}

#[test]
fn the_monitored_measure_decides_which_epoch_is_best() {
    let settings = ["monitor=accuracy", "early_stopping={ patience = 3 }", "training.epochs=12"];
    let config = testing::load(&settings).unwrap();
    let dataset = held_out(&config);
    let mut trainer = trainer(&config);
    trainer.run(&dataset, &mut ()).unwrap();
    let accuracy = |epoch: &EpochMetrics| epoch.measured().get("accuracy").unwrap();
    let history = trainer.state().history();
    let best = history.iter().map(accuracy).fold(0.0, f64::max);
    let first = history.iter().find(|epoch| accuracy(epoch) == best).unwrap();
    assert_eq!(trainer.state().best_step(), Some(first.step));
    let valid = dataset.valid.as_ref().unwrap();
    assert_eq!(evaluate(trainer.model(), valid).unwrap().get("accuracy"), Some(best));
}

#[test]
fn metrics_that_do_not_suit_are_refused_with_the_configuration() {
    for (setting, expected) in [
        ("metrics=[\"mae\"]", "not for 3 classes"),
        ("metrics=[\"acuracy\"]", "did you mean \"accuracy\"?"),
        ("monitor=f1", "monitor is \"f1\", expected one of loss, accuracy"),
    ] {
        let message = testing::load(&[setting]).err().unwrap().to_string();
        assert!(message.contains(expected), "{message}");
    }
}
