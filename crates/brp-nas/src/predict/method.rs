//! Predictors by name.

use crate::failure::{Failure, OrFail};
use anyhow::anyhow;
use clap::ValueEnum;
use serde::{Deserialize, Deserializer, Serialize};

/// A predictor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Method {
    /// A graph network in our own setting: seconds.
    Gcn,
    /// The graph network in the setting of BRP-NAS: minutes for latency; for accuracies it is `gcn`.
    GcnPublished,
    /// The binary relation predictor; it orders, so only kendall and spearman are given.
    Relation,
    /// A graph network with what boosting sees beside it, trained to order pairs; it orders, so only kendall and spearman
    /// are given.
    Ranker,
    /// The Neural Predictor: graph convolutions both ways, as published.
    NeuralPredictor,
    /// The same without its quirks: no nodes that fill up, decoupled decay, a cosine that ends with the training.
    NeuralPredictorClean,
    /// A classifier that sorts out bad architectures, and a Neural Predictor on the others, as published.
    TwoStage,
    /// Fully connected layers in the Neural Predictor's setting.
    Mlp,
    /// Convolutions over the nodes in the Neural Predictor's setting.
    Cnn,
    /// A straight line through the multiply-adds, where the space has them.
    Flops,
    /// A multiple of the multiply-adds.
    FlopsProportional,
    /// A sum over the places of an architecture of what their operation costs.
    Layers,
    /// A sum over operations of what each costs, wherever it stands.
    LayersByOperation,
    /// As layers, of those places alone that reach the output.
    LayersLive,
    /// Nothing is fitted: what operations cost that the table has alone in an architecture, summed over those that run.
    Lookup,
    /// The layers held back by a penalty, which is chosen on the training data.
    Linear,
    /// A random forest on the operation by place.
    Forest,
    /// Gradient-boosted trees on features of the graph, and on scores without training where the label is an accuracy.
    Boosting,
    /// A Gaussian process on the same; for latency on what decides costs.
    Gp,
    /// From few rows and other devices' tables, which --sources names; the rows are chosen, not drawn.
    Few,
    /// Recommended. Both in the shares that suit the rows; for latency with the doubt of outliers that does.
    Ours,
    /// Each of them but few and lookup.
    All,
}

impl Method {
    /// Whether it can start from another network.
    pub(super) fn is_network(self) -> bool {
        matches!(self, Self::Gcn | Self::GcnPublished | Self::Relation)
    }

    /// Whether it sees architectures as encoded graphs.
    pub(super) fn sees_graphs(self) -> bool {
        let others = [
            Self::Ranker,
            Self::NeuralPredictor,
            Self::NeuralPredictorClean,
            Self::TwoStage,
            Self::Mlp,
            Self::Cnn,
        ];
        self.is_network() || others.contains(&self)
    }

    /// Whether it sees features of the graph, and scores without training.
    pub(super) fn sees_features(self) -> bool {
        matches!(self, Self::Boosting | Self::Gp | Self::Ours | Self::Ranker)
    }
}

/// Each once, in the order asked for.
pub(super) fn chosen(asked: &[Method]) -> Result<Vec<Method>, Failure> {
    let mut methods: Vec<Method> = Vec::new();
    for &method in asked {
        let all = Method::value_variants().iter().copied();
        let all = all.filter(|other| !matches!(other, Method::All | Method::Few | Method::Lookup));
        let meant: Vec<Method> = if method == Method::All { all.collect() } else { vec![method] };
        methods.extend(meant);
    }
    let mut once = Vec::new();
    methods.retain(|method| {
        !once.contains(method) && {
            once.push(*method);
            true
        }
    });
    if methods.is_empty() {
        return Err(anyhow!("--method names no predictor: name one, several separated by commas, or `all`"))
            .or_input();
    }
    Ok(methods)
}

/// In a file: a list, or one name or several in one text.
pub(super) fn one_or_several<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Method>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        List(Vec<String>),
    }
    let names = match Option::<Written>::deserialize(from)? {
        None => return Ok(None),
        Some(Written::Text(text)) => text.split(',').map(|name| name.trim().to_owned()).collect(),
        Some(Written::List(names)) => names,
    };
    let method = |name: &String| {
        Method::from_str(name, false).map_err(|_| {
            let known = Method::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            let known = known.map(|value| value.get_name().to_owned()).collect::<Vec<_>>().join(", ");
            serde::de::Error::custom(format!("`{name}` is no method: expected one of {known}"))
        })
    };
    names.iter().map(method).collect::<Result<_, _>>().map(Some)
}
