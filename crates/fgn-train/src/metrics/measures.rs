//! Named values, in order.

/// The loss and the metrics of a pass over some samples, in order: the loss first.
///
/// ```
/// use fgn_train::Measures;
///
/// let measures = Measures::new(0.25).with("accuracy", 0.9);
/// assert_eq!(measures.loss(), 0.25);
/// assert_eq!(measures.get("accuracy"), Some(0.9));
/// assert_eq!(measures.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["loss", "accuracy"]);
/// ```
#[derive(Clone, Debug)]
pub struct Measures {
    values: Vec<(String, f64)>,
}

/// The name of the loss among the [`Measures`].
pub(crate) const LOSS: &str = "loss";

impl Measures {
    /// A loss alone.
    pub fn new(loss: f64) -> Measures {
        Measures { values: vec![(LOSS.into(), loss)] }
    }

    /// With one more value.
    pub fn with(mut self, name: &str, value: f64) -> Measures {
        self.values.push((name.to_owned(), value));
        self
    }

    /// The mean loss.
    pub fn loss(&self) -> f64 {
        self.get(LOSS).unwrap_or(f64::NAN)
    }

    /// The value of that name, if there is one.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(known, _)| known == name).map(|&(_, value)| value)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.values.iter().map(|(name, value)| (&name[..], *value))
    }

    /// From names and values; the loss is where it is.
    pub(crate) fn from_values(values: Vec<(String, f64)>) -> Measures {
        Measures { values }
    }
}

/// The same names with the same values; NaN equals NaN.
impl PartialEq for Measures {
    fn eq(&self, other: &Measures) -> bool {
        let same = |((one, x), (other, y)): (&(String, f64), &(String, f64))| {
            one == other && (x == y || (x.is_nan() && y.is_nan()))
        };
        self.values.len() == other.values.len() && self.values.iter().zip(&other.values).all(same)
    }
}
