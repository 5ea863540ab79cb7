//! NAS-Bench-101 (Ying et al., 2019): `nasbench_only108.tfrecord` and `nasbench_full.tfrecord`.
//!
//! A record is a JSON list of the module's hash, the epochs of the training, the adjacency matrix as digits,
//! the operations, and the metrics as a base64 text of a protobuf (`nasbench/lib/model_metrics.proto`): what
//! was measured at the beginning, half way and at the end, the parameters and the time.

use super::curves::{CurveRow, Measured};
use super::mean::Mean;
use crate::table::Cell;
use crate::{ColumnInfo, Flaw, Kind, Table};
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};
use nas_core::SearchSpace;
use spaces::NasBench101;
use std::collections::BTreeMap;

/// Models that are kept at most; the benchmark has 423,624.
const MODELS: usize = 2_000_000;

/// What was measured at one moment of a training.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Evaluation {
    /// Epochs trained so far.
    pub epoch: f64,
    /// Seconds trained so far.
    pub training_s: f64,
    /// Accuracies from 0 to 1 on the training, validation and test images.
    pub train: f64,
    /// See there.
    pub valid: f64,
    /// See there.
    pub test: f64,
}

/// One record: one training of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// The published hash, in hexadecimal; compared with that of the graph by [`Models::add`].
    pub hash: String,
    /// The length of the training in epochs: 4, 12, 36 or 108.
    pub epochs: i64,
    /// `<adjacency>:<op,op,..>`, as the space reads it.
    pub arch: String,
    /// At the beginning, half way, at the end.
    pub evaluations: Vec<Evaluation>,
    /// Trainable parameters.
    pub parameters: i64,
    /// Seconds of training and evaluation.
    pub total_s: f64,
}

/// Reads the bytes of one record.
///
/// # Errors
/// What is no such list, base64 or protobuf.
pub fn read(record: &[u8]) -> Result<Training, Flaw> {
    type Raw<'a> = (&'a str, i64, &'a str, &'a str, &'a str);
    let raw: Raw<'_> = serde_json::from_slice(record)
        .map_err(|error| Flaw::new("the JSON", "[hash, epochs, adjacency, operations, metrics]", error))?;
    let (hash, epochs, adjacency, operations, metrics) = raw;
    let (evaluations, parameters, total_s) = metrics_of(&base64(metrics)?)?;
    let arch = format!("{adjacency}:{operations}");
    Ok(Training { hash: hash.into(), epochs, arch, evaluations, parameters, total_s })
}

/// The bytes of a base64 text: the metrics are written by `b64encode` through `str`, or by `encodebytes`, which breaks
/// lines.
fn base64(text: &str) -> Result<Vec<u8>, Flaw> {
    const ENGINE: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'\n').collect();
    ENGINE.decode(digits).map_err(|error| Flaw::new("the metrics", "base64", error))
}

/// `ModelMetrics { repeated EvaluationData 1; int32 trainable_parameters 2; double total_time 3 }`.
fn metrics_of(bytes: &[u8]) -> Result<(Vec<Evaluation>, i64, f64), Flaw> {
    let (mut evaluations, mut parameters, mut total_s) = (Vec::new(), 0, 0.0);
    fields(bytes, &mut |field, value| {
        match (field, value) {
            (1, Wire::Bytes(bytes)) => {
                let mut one = Evaluation::default();
                fields(bytes, &mut |field, value| {
                    // EvaluationData { double current_epoch 1, training_time 2, then the three accuracies }
                    let places =
                        [&mut one.epoch, &mut one.training_s, &mut one.train, &mut one.valid, &mut one.test];
                    if let (Wire::Eight(bits), Some(place)) =
                        (value, places.into_iter().nth(field.wrapping_sub(1)))
                    {
                        *place = f64::from_bits(bits);
                    }
                    Ok(())
                })?;
                evaluations.push(one);
            }
            (2, Wire::Varint(value)) => parameters = i64::from(value as u32 as i32),
            (3, Wire::Eight(bits)) => total_s = f64::from_bits(bits),
            _ => {}
        }
        Ok(())
    })?;
    Ok((evaluations, parameters, total_s))
}

/// A value of a protobuf.
enum Wire<'a> {
    Varint(u64),
    Eight(u64),
    Bytes(&'a [u8]),
    Four,
}

/// Hands over each field of a message with its number (the protobuf encoding; groups are not in it).
fn fields<'a>(
    bytes: &'a [u8],
    each: &mut dyn FnMut(usize, Wire<'a>) -> Result<(), Flaw>,
) -> Result<(), Flaw> {
    let mut rest = bytes;
    let wrong = |rest: &[u8], expected: &str| {
        Flaw::new("the metrics", expected, format!("something else {} bytes before their end", rest.len()))
    };
    while !rest.is_empty() {
        let key = varint(&mut rest).ok_or_else(|| wrong(rest, "a field of a protobuf"))?;
        let value = match key & 7 {
            0 => varint(&mut rest).map(Wire::Varint),
            1 => rest.split_first_chunk::<8>().map(|(eight, behind)| {
                rest = behind;
                Wire::Eight(u64::from_le_bytes(*eight))
            }),
            2 => {
                let len = varint(&mut rest).and_then(|len| usize::try_from(len).ok());
                len.and_then(|len| rest.split_at_checked(len)).map(|(piece, behind)| {
                    rest = behind;
                    Wire::Bytes(piece)
                })
            }
            5 => rest.split_first_chunk::<4>().map(|(_, behind)| {
                rest = behind;
                Wire::Four
            }),
            _ => None,
        };
        let value = value.ok_or_else(|| wrong(rest, "a value of a protobuf"))?;
        each(usize::try_from(key >> 3).unwrap_or(usize::MAX), value)?;
    }
    Ok(())
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 127) << shift;
        if *byte < 128 {
            return Some(value);
        }
    }
    None
}

/// Means of one model and one length of training: half way and at the end.
#[derive(Debug, Clone, Default)]
struct Sums {
    epochs: i64,
    trainings: i64,
    /// Train, valid, test accuracy and seconds, half way and at the end.
    means: [[Mean; 4]; 2],
}

struct Model {
    arch: String,
    parameters: i64,
    sums: Vec<Sums>,
}

/// The models of a file, gathered from its records: some hundred bytes a model, whatever the number of its
/// trainings.
#[derive(Default)]
pub struct Models {
    places: BTreeMap<u128, usize>,
    models: Vec<(u128, Model)>,
}

impl Models {
    /// Adds a training.
    ///
    /// # Errors
    /// A graph that the space does not know, a hash that is not that of the graph, a hash that came with
    /// another graph or other parameters before.
    pub fn add(&mut self, training: &Training) -> Result<(), Flaw> {
        let hash = u128::from_str_radix(&training.hash, 16).ok().filter(|_| training.hash.len() == 32);
        let hash = hash.ok_or_else(|| Flaw::new("the hash", "32 hexadecimal digits", &training.hash))?;
        let place = match self.places.get(&hash) {
            Some(&place) => place,
            None => {
                let spec = NasBench101.parse(&training.arch).map_err(|error| {
                    Flaw::new("the graph", "a model of NAS-Bench-101", format!("{} ({error})", training.arch))
                })?;
                let own = spec.module_hash();
                if own.0 != hash {
                    return Err(Flaw::new("the hash", format!("{own}, that of the graph"), &training.hash));
                }
                if self.models.len() == MODELS {
                    return Err(Flaw::new("", format!("at most {MODELS} models"), "more"));
                }
                let model =
                    Model { arch: training.arch.clone(), parameters: training.parameters, sums: Vec::new() };
                self.models.push((hash, model));
                self.places.insert(hash, self.models.len() - 1);
                self.models.len() - 1
            }
        };
        let Some((_, model)) = self.models.get_mut(place) else { return Ok(()) };
        if model.arch != training.arch || model.parameters != training.parameters {
            let expected = format!("{} with {} parameters, as before", model.arch, model.parameters);
            return Err(Flaw::new(
                "the graph",
                expected,
                format!("{} with {}", training.arch, training.parameters),
            ));
        }
        let known = model.sums.iter().position(|sums| sums.epochs == training.epochs);
        let known = known.unwrap_or_else(|| {
            model.sums.push(Sums { epochs: training.epochs, ..Sums::default() });
            model.sums.len() - 1
        });
        if model.sums.len() > 16 {
            return Err(Flaw::new("the epochs", "at most 16 different lengths of training", "more"));
        }
        let [.., half, end] = training.evaluations.as_slice() else {
            return Err(Flaw::new(
                "the metrics",
                "evaluations half way and at the end",
                training.evaluations.len(),
            ));
        };
        if let Some(sums) = model.sums.get_mut(known) {
            sums.trainings += 1;
            for (means, evaluation) in sums.means.iter_mut().zip([half, end]) {
                let values = [evaluation.train, evaluation.valid, evaluation.test, evaluation.training_s];
                means.iter_mut().zip(values).for_each(|(mean, value)| mean.add(value));
            }
        }
        Ok(())
    }

    /// One row a model, in the order in which they came: means over the trainings of each length.
    pub fn table(self) -> Table {
        let mut epochs: Vec<i64> =
            self.models.iter().flat_map(|(_, m)| m.sums.iter().map(|sums| sums.epochs)).collect();
        epochs.sort_unstable();
        epochs.dedup();
        let text = |name: &str| ColumnInfo::new(name, Kind::Text);
        let mut columns = vec![text("arch"), text("hash"), ColumnInfo::new("parameters", Kind::Integer)];
        for epochs in &epochs {
            columns.push(ColumnInfo::new(format!("trainings_{epochs}ep"), Kind::Integer));
            for half in ["half_", ""] {
                for split in ["train", "valid", "test"] {
                    let name = format!("{half}{split}_acc_{epochs}ep");
                    columns.push(ColumnInfo::new(name, Kind::Number).unit("fraction").split(split));
                }
                columns.push(ColumnInfo::new(format!("{half}training_s_{epochs}ep"), Kind::Number).unit("s"));
            }
        }
        let mut table = Table::new(columns);
        for (hash, model) in self.models {
            let mut row = vec![
                Cell::Text(model.arch),
                Cell::Text(format!("{hash:032x}")),
                Cell::Integer(model.parameters),
            ];
            for epochs in &epochs {
                let sums = model.sums.iter().find(|sums| sums.epochs == *epochs);
                row.push(sums.map_or(Cell::None, |sums| Cell::Integer(sums.trainings)));
                let means = sums.map(|sums| sums.means).unwrap_or_default();
                row.extend(means.into_iter().flatten().map(|mean| Cell::from(mean.get())));
            }
            table.push(row);
        }
        table
    }
}

/// Adds every evaluation of a training to a table of curves; `repeat` tells trainings of one model apart.
pub fn push_curves(table: &mut Table, training: &Training, repeat: i64) {
    let mut whole = Some((Some(training.parameters as f64), None, None));
    for evaluation in &training.evaluations {
        let accuracy = |value| Measured { accuracy: Some(value), ..Measured::default() };
        let train = Measured { seconds: Some(evaluation.training_s), ..accuracy(evaluation.train) };
        CurveRow {
            arch: &training.arch,
            schedule: training.epochs,
            dataset: "cifar10",
            seed: repeat,
            epoch: evaluation.epoch as i64,
            splits: [train, accuracy(evaluation.valid), accuracy(evaluation.test), Measured::default()],
            run: whole.take().unwrap_or_default(),
        }
        .push_to(table);
    }
}

impl Models {
    /// How many trainings of this length and model came before the last one.
    pub fn repeat(&self, training: &Training) -> i64 {
        let hash = u128::from_str_radix(&training.hash, 16).ok();
        let model = hash.and_then(|hash| self.places.get(&hash)).and_then(|place| self.models.get(*place));
        let sums = model.and_then(|(_, model)| model.sums.iter().find(|sums| sums.epochs == training.epochs));
        sums.map_or(0, |sums| sums.trainings - 1)
    }
}
