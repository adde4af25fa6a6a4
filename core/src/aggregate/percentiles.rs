//! [`Percentiles`].

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use sketches_ddsketch::{Config, DDSketch};

use crate::aggregate::{Aggregate, Number};
use crate::state::{Data, Describe, Field, Schema, opaque};

/// Percentiles of a field, each within 1 % of the value, in memory that grows with the spread of the values and not with their
/// number: a [DDSketch](https://arxiv.org/abs/1908.10693) (Masson, Rim, Lee, 2019). Sketches merge without loss.
/// Floats that are not finite are left out; of no value at all, every percentile is NaN.
///
/// ```
/// use tidegate::aggregate::{Aggregate, Percentiles};
///
/// let latency = Percentiles::of([0.5, 0.99], |millis: &u32| *millis);
/// let mut acc = latency.create();
/// (1..=1000).for_each(|millis| latency.add(&mut acc, millis));
/// let [median, p99] = latency.result(&acc);
/// assert!((495.0..=505.0).contains(&median) && (980.0..=1000.0).contains(&p99));
/// ```
pub struct Percentiles<const N: usize, T, V, F> {
    quantiles: [f64; N],
    field: F,
    of: PhantomData<fn(&T) -> V>,
}

impl<const N: usize, T, V: Number, F: Fn(&T) -> V> Percentiles<N, T, V, F> {
    /// The values below which these parts of all values of `field` lie: 0.5 is the median, 1 the maximum.
    ///
    /// # Panics
    /// If a part is not from 0 to 1.
    pub fn of(quantiles: [f64; N], field: F) -> Self {
        assert!(
            quantiles.iter().all(|quantile| (0.0..=1.0).contains(quantile)),
            "percentiles are given as parts of 1, from 0 to 1, and not as {quantiles:?}"
        );
        Percentiles { quantiles, field, of: PhantomData }
    }

    fn take_in(&self, acc: &mut Sketch, value: &T) {
        let number = (self.field)(value).to_f64();
        if number.is_finite() {
            acc.sketch.add(number);
        }
    }
}

/// What percentiles are estimated from.
#[derive(Clone, Serialize, Deserialize)]
pub struct Sketch {
    #[serde(with = "opaque")]
    sketch: DDSketch,
}

impl Describe for Sketch {
    fn schema() -> Schema {
        Schema::Struct("Sketch".to_string(), vec![Field::opaque("sketch", "sketches_ddsketch::DDSketch")])
    }
}

impl Data for Sketch {}

impl<const N: usize, T: 'static, V: Number, F: Fn(&T) -> V + 'static> Aggregate for Percentiles<N, T, V, F> {
    type In = T;
    type Acc = Sketch;
    type Out = [f64; N];

    fn create(&self) -> Sketch {
        Sketch { sketch: DDSketch::new(Config::defaults()) }
    }

    fn add(&self, acc: &mut Sketch, value: T) {
        self.take_in(acc, &value);
    }

    fn add_ref(&self, acc: &mut Sketch, value: &T) {
        self.take_in(acc, value);
    }

    fn merge(&self, acc: &mut Sketch, other: Sketch) {
        acc.sketch.merge(&other.sketch).expect("all sketches have one configuration");
    }

    fn result(&self, acc: &Sketch) -> [f64; N] {
        self.quantiles.map(|quantile| acc.sketch.quantile(quantile).ok().flatten().unwrap_or(f64::NAN))
    }
}
