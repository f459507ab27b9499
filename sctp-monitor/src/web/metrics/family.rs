//! A metric's name, type, unit, labels and meaning, and how its samples are written.
//!
//! Each family stands once, in a constant beside what fills it; docs/metrics.md is made of the same constants.

use std::{fmt, net::IpAddr};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::MetricType,
    registry,
};

/// What is known of a metric before it has a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    /// Without unit and `_total`, which the encoder adds.
    pub(super) stem: &'static str,
    pub(super) kind: Kind,
    pub(super) unit: Option<Unit>,
    /// The labels of each sample, in their order.
    pub(super) labels: &'static [&'static str],
    /// A sentence, without its full stop.
    pub(super) help: &'static str,
}

/// The types that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Info,
}

/// The units that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Bytes,
    Seconds,
}

/// The families of a file, each once, in the order of the page: the name of its constant, its type, stem, labels, unit if it has one, and
/// meaning. [`FAMILIES`] lists them.
macro_rules! families {
    ($($name:ident: $kind:ident $stem:literal, $labels:expr $(, in $unit:ident)? => $help:literal;)+) => {
        $(pub(super) static $name: $crate::web::metrics::family::Family = $crate::web::metrics::family::Family {
            stem: $stem,
            kind: $crate::web::metrics::family::Kind::$kind,
            unit: families!(@unit $($unit)?),
            labels: $labels,
            help: $help,
        };)+

        /// All families of this file, in the order of the page.
        pub(super) const FAMILIES: &[&$crate::web::metrics::family::Family] = &[$(&$name),+];
    };
    (@unit $unit:ident) => { Some($crate::web::metrics::family::Unit::$unit) };
    (@unit) => { None };
}
pub(super) use families;

impl Family {
    /// The name of its samples.
    pub(super) fn name(&self) -> String {
        let mut name = self.stem.to_owned();
        if let Some(unit) = self.unit {
            name.push('_');
            name.push_str(registry::Unit::from(unit).as_str());
        }
        name.push_str(match self.kind {
            Kind::Counter => "_total",
            Kind::Gauge => "",
            Kind::Info => "_info",
        });
        name
    }
}

impl From<Unit> for registry::Unit {
    fn from(unit: Unit) -> Self {
        match unit {
            Unit::Bytes => Self::Bytes,
            Unit::Seconds => Self::Seconds,
        }
    }
}

/// The value of a label. Those that come from packets are addresses and numbers; names of NICs are escaped by the encoder.
pub(super) type Value = String;

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    /// The values of the family's labels.
    pub(super) labels: Vec<Value>,
    pub(super) value: Figure,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Figure {
    Count(u64),
    Real(f64),
}

impl From<u64> for Figure {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<usize> for Figure {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl From<bool> for Figure {
    fn from(is: bool) -> Self {
        Self::Count(is.into())
    }
}

impl From<f64> for Figure {
    fn from(real: f64) -> Self {
        Self::Real(real)
    }
}

impl From<std::time::Duration> for Figure {
    fn from(time: std::time::Duration) -> Self {
        Self::Real(time.as_secs_f64())
    }
}

/// Samples by family; families in the order of their first samples.
#[derive(Debug, Default)]
pub(super) struct Samples(Vec<(&'static Family, Vec<Sample>)>);

impl Samples {
    /// Adds one.
    pub(super) fn push(&mut self, family: &'static Family, labels: Vec<Value>, value: impl Into<Figure>) {
        debug_assert_eq!(family.labels.len(), labels.len(), "{}", family.stem);
        let sample = Sample {
            labels,
            value: value.into(),
        };
        // There are some forty of them.
        match self.0.iter_mut().find(|(known, _)| std::ptr::eq(*known, family)) {
            Some((_, samples)) => samples.push(sample),
            None => self.0.push((family, vec![sample])),
        }
    }

    /// Adds all of others.
    pub(super) fn append(&mut self, others: Self) {
        for (family, samples) in others.0 {
            match self.0.iter_mut().find(|(known, _)| std::ptr::eq(*known, family)) {
                Some((_, known)) => known.extend(samples),
                None => self.0.push((family, samples)),
            }
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|(_, samples)| samples.len()).sum()
    }

    #[cfg(test)]
    pub(super) fn families(&self) -> impl Iterator<Item = &'static Family> {
        self.0.iter().map(|(family, _)| *family)
    }
}

impl Collector for Samples {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (family, samples) in &self.0 {
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Info => MetricType::Info,
            };
            let unit = family.unit.map(registry::Unit::from);
            let mut metric = encoder.encode_descriptor(family.stem, family.help, unit.as_ref(), kind)?;
            for sample in samples {
                let labels: Vec<_> = family
                    .labels
                    .iter()
                    .copied()
                    .zip(sample.labels.iter().map(String::as_str))
                    .collect();
                if family.kind == Kind::Info {
                    metric.encode_info(&labels)?;
                    continue;
                }
                let mut metric = metric.encode_family(&labels)?;
                match (family.kind, sample.value) {
                    (Kind::Counter, Figure::Count(count)) => {
                        metric.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
                    }
                    (Kind::Counter, Figure::Real(real)) => {
                        metric.encode_counter::<NoLabelSet, _, u64>(&real, None)?;
                    }
                    (_, Figure::Count(count)) => metric.encode_gauge(&count)?,
                    (_, Figure::Real(real)) => metric.encode_gauge(&real)?,
                }
            }
        }
        Ok(())
    }
}

/// An address as a label.
pub(super) fn label(address: Option<IpAddr>) -> Value {
    address.map_or_else(String::new, |address| address.to_string())
}
