//! Graphs as pictures: DOT for other programs, SVG as it is looked at.

use crate::ArchGraph;
use petgraph::dot::{Config, Dot};
use petgraph::visit::EdgeRef;
use std::fmt::Write;

/// Height of a layer, and of a box.
const LAYER: f64 = 64.0;
const BOX: f64 = 28.0;

/// Between two boxes of a layer, and around the picture.
const GAP: f64 = 18.0;

/// Width of a letter at 13 px in a fixed pitch, and what a box has beside its label.
const LETTER: f64 = 7.9;
const PADDING: f64 = 16.0;

/// The colours of a reader who has set a dark page.
const DARK: &str = "<style>@media (prefers-color-scheme: dark) {\
    [fill=\"#FFFFFF\"]{fill:#16181D}[fill=\"#EEF3FB\"]{fill:#26324A}\
    [fill=\"#1A1A1A\"]{fill:#E6E6E6}[stroke=\"#1A1A1A\"]{stroke:#E6E6E6}}</style>";

/// Times that every layer is ordered and moved by the layer above, then by the layer below.
const SWEEPS: usize = 12;

impl ArchGraph {
    /// The graph in the language of Graphviz. A node for which `live` says false, and what leads to or from it, is
    /// dashed; nodes past the end of `live` are live. Null nodes are left out.
    ///
    /// ```
    /// use arch_graph::{ArchGraph, Op, Vocabulary};
    /// let words = Vocabulary::new(["in", "conv", "out"])?;
    /// let graph = ArchGraph::new(&words, [Op(0), Op(1), Op(2)], [(0, 1), (0, 2)], 0, 2)?;
    /// let dot = graph.dot(&graph.live());
    /// assert!(dot.contains("1 [ label=\"conv\" shape=box style=dashed]"), "{dot}");
    /// assert!(dot.contains("0 -> 1 [ style=dashed]"), "{dot}");
    /// # Ok::<(), arch_graph::GraphError>(())
    /// ```
    pub fn dot(&self, live: &[bool]) -> String {
        let alive = |node: usize| live.get(node).copied().unwrap_or(true);
        let style = |alive: bool| if alive { "solid" } else { "dashed" };
        let shown =
            self.petgraph().filter_map(|_, op| op.and_then(|op| self.vocabulary().name(op)), |_, _| Some(()));
        // filter_map closes up the numbers, so it is told what they were
        let numbers: Vec<usize> =
            (0..self.len()).zip(self.ops()).filter(|node| node.1.is_some()).map(|node| node.0).collect();
        let was = |node: usize| numbers.get(node).copied().unwrap_or(node);
        let dot = format!(
            "{:?}",
            Dot::with_attr_getters(
                &shown,
                &[Config::EdgeNoLabel, Config::NodeNoLabel],
                &|_, edge| {
                    let both = alive(was(edge.source().index())) && alive(was(edge.target().index()));
                    format!("style={}", style(both))
                },
                &|_, (node, name)| {
                    let name = name.replace('\\', "\\\\").replace('"', "\\\"");
                    format!("label=\"{name}\" shape=box style={}", style(alive(was(node.index()))))
                },
            )
        );
        dot
    }

    /// The graph as a picture of its own, from the input at the top to the output at the bottom: labelled boxes in
    /// layers, edges as curves around what lies between. What is not `live` is dashed, as in [`dot`](ArchGraph::dot).
    ///
    /// Layers by the longest path, orders by barycentres (Sugiyama, Tagawa and Toda, 1981). The same graph gives the
    /// same bytes. Time O(edges * layers).
    ///
    /// ```
    /// use arch_graph::{ArchGraph, Op, Vocabulary};
    /// let words = Vocabulary::new(["in", "conv", "out"])?;
    /// let graph = ArchGraph::new(&words, [Op(0), Op(1), Op(2)], [(0, 1), (1, 2)], 0, 2)?;
    /// let svg = graph.svg(&[]);
    /// assert!(svg.starts_with("<svg ") && svg.matches("<rect ").count() == 4); // three boxes and the ground
    /// # Ok::<(), arch_graph::GraphError>(())
    /// ```
    pub fn svg(&self, live: &[bool]) -> String {
        let alive = |node: usize| live.get(node).copied().unwrap_or(true);
        let names: Vec<Option<&str>> =
            self.ops().map(|op| op.and_then(|op| self.vocabulary().name(op))).collect();
        let layout = Layers::new(self, &names);
        let (width, height) = layout.size();
        let mut out = String::new();
        // writing to a text cannot fail
        let _ = writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"monospace\" font-size=\"13\">\n\
             {DARK}\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>\n\
             <defs><marker id=\"to\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#1A1A1A\"/></marker></defs>"
        );
        let dashed = |alive: bool| if alive { "" } else { " stroke-dasharray=\"4 3\" opacity=\".55\"" };
        for path in &layout.edges {
            let (Some(&from), Some(&to)) = (path.first(), path.last()) else { continue };
            let at = |item: usize| (layout.x[item], layout.y(item));
            let (x, y) = at(from);
            let _ = write!(out, "<path d=\"M{x:.1} {:.1}", y + BOX / 2.0);
            let mut before = (x, y + BOX / 2.0);
            for &item in &path[1..] {
                let (x, mut y) = at(item);
                if item == to {
                    y -= BOX / 2.0;
                }
                let middle = (before.1 + y) / 2.0;
                let _ = write!(out, "C{:.1} {middle:.1} {x:.1} {middle:.1} {x:.1} {y:.1}", before.0);
                before = (x, y);
            }
            let both = alive(layout.nodes[from]) && alive(layout.nodes[to]);
            let _ = writeln!(
                out,
                "\" fill=\"none\" stroke=\"#1A1A1A\" marker-end=\"url(#to)\"{}/>",
                dashed(both)
            );
        }
        for (item, &node) in layout.nodes.iter().enumerate() {
            let name = names[node].unwrap_or_default();
            let name = name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let (x, y, wide) = (layout.x[item], layout.y(item), layout.widths[item]);
            let _ = writeln!(
                out,
                "<g{}><rect x=\"{:.1}\" y=\"{:.1}\" width=\"{wide:.1}\" height=\"{BOX}\" rx=\"5\" fill=\"#EEF3FB\" stroke=\"#1A1A1A\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#1A1A1A\">{name}</text></g>",
                dashed(alive(node)),
                x - wide / 2.0,
                y - BOX / 2.0,
                y + 4.5,
            );
        }
        out + "</svg>\n"
    }
}

/// Where everything stands. Items are the nodes that are shown, then a bend for every layer that an edge passes.
struct Layers {
    /// The node of each item that is one.
    nodes: Vec<usize>,
    layer: Vec<usize>,
    widths: Vec<f64>,
    /// The middle of each item.
    x: Vec<f64>,
    /// The items of each layer, from left to right.
    rows: Vec<Vec<usize>>,
    /// The items along each edge.
    edges: Vec<Vec<usize>>,
}

impl Layers {
    fn new(graph: &ArchGraph, names: &[Option<&str>]) -> Self {
        let nodes: Vec<usize> = (0..graph.len()).filter(|node| names[*node].is_some()).collect();
        let item = |node: usize| nodes.binary_search(&node).ok();
        let between: Vec<(usize, usize)> =
            graph.edges().into_iter().filter_map(|(from, to)| Some((item(from)?, item(to)?))).collect();
        let mut layer = vec![0; nodes.len()];
        // as many rounds as the longest path has edges; a graph is acyclic by construction
        while let Some(&(from, to)) = between.iter().find(|(from, to)| layer[*to] <= layer[*from]) {
            layer[to] = layer[from] + 1;
        }
        if let Some(output) = item(graph.output()) {
            layer[output] = layer.iter().copied().max().unwrap_or(0);
        }
        let label = |node: &usize| names[*node].map_or(0, |name| name.chars().count());
        let mut widths: Vec<f64> = nodes.iter().map(|node| label(node) as f64 * LETTER + PADDING).collect();
        let mut edges = Vec::with_capacity(between.len());
        for (from, to) in between {
            let mut path = vec![from];
            for passed in layer[from] + 1..layer[to] {
                path.push(layer.len());
                layer.push(passed);
                widths.push(0.0);
            }
            path.push(to);
            edges.push(path);
        }
        let mut rows = vec![Vec::new(); layer.iter().max().map_or(0, |most| most + 1)];
        layer.iter().enumerate().for_each(|(item, at)| rows[*at].push(item));
        let mut layout = Self { nodes, x: vec![0.0; layer.len()], layer, widths, rows, edges };
        layout.place();
        layout
    }

    /// Orders every layer by the mean of its neighbours and moves it there as far as the boxes let it.
    fn place(&mut self) {
        let (mut above, mut below) = (vec![Vec::new(); self.x.len()], vec![Vec::new(); self.x.len()]);
        for pair in self.edges.iter().flat_map(|path| path.windows(2)) {
            above[pair[1]].push(pair[0]);
            below[pair[0]].push(pair[1]);
        }
        for row in 0..self.rows.len() {
            self.settle(row, &[]);
        }
        for sweep in 0..SWEEPS {
            let near = if sweep % 2 == 0 { &above } else { &below };
            for step in 0..self.rows.len() {
                let row = if sweep % 2 == 0 { step } else { self.rows.len() - 1 - step };
                let wanted: Vec<(usize, f64)> = self.rows[row]
                    .iter()
                    .map(|&item| match near[item].as_slice() {
                        [] => (item, self.x[item]),
                        near => {
                            (item, near.iter().map(|other| self.x[*other]).sum::<f64>() / near.len() as f64)
                        }
                    })
                    .collect();
                self.settle(row, &wanted);
            }
        }
        let left =
            (0..self.x.len()).map(|item| self.x[item] - self.widths[item] / 2.0).fold(f64::MAX, f64::min);
        self.x.iter_mut().for_each(|x| *x += GAP - left);
    }

    /// Puts the items of a row where they are wanted, in that order and without overlap; side by side where nothing
    /// is said.
    fn settle(&mut self, row: usize, wanted: &[(usize, f64)]) {
        let mut wanted = wanted.to_vec();
        if wanted.is_empty() {
            wanted = self.rows[row].iter().map(|item| (*item, 0.0)).collect();
        }
        wanted.sort_by(|a, b| a.1.total_cmp(&b.1));
        let mut edge = f64::MIN;
        for &(item, at) in &wanted {
            let half = self.widths[item] / 2.0;
            self.x[item] = at.max(edge + half);
            edge = self.x[item] + half + GAP;
        }
        // being pushed to the right is shared by all
        let off =
            wanted.iter().map(|(item, at)| self.x[*item] - at).sum::<f64>() / wanted.len().max(1) as f64;
        wanted.iter().for_each(|(item, _)| self.x[*item] -= off);
        self.rows[row] = wanted.into_iter().map(|(item, _)| item).collect();
    }

    fn y(&self, item: usize) -> f64 {
        GAP + BOX / 2.0 + self.layer[item] as f64 * LAYER
    }

    fn size(&self) -> (f64, f64) {
        let right = (0..self.x.len()).map(|item| self.x[item] + self.widths[item] / 2.0).fold(0.0, f64::max);
        (right + GAP, 2.0 * GAP + BOX + self.rows.len().saturating_sub(1) as f64 * LAYER)
    }
}
