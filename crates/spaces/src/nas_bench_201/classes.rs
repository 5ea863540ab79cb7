use super::{Cell, EDGES, Operation};
use crate::ArchHash;

impl Cell {
    /// A key that cells of one class share: the expression that the last node stands for, as the published
    /// code writes it (`to_unique_str(consider_zero=True)` of NAS-Bench-201). It gives 6,466 classes.
    ///
    /// The input is `0`; a node is the sorted sum of what its edges bring; `skip_connect` brings the source's
    /// expression, `none` and anything that reads a node written `#` bring `#`, another operation brings
    /// `(source)@name`.
    ///
    /// So cells are one class where they differ in the order of a sum, or in nodes that an identity makes
    /// equal. The rule is finer than equal functions: `#` stays as a term, so a sum of two zeros is written
    /// `#+#` and is not taken for a zero further on, and a sum that is passed on by an identity and summed
    /// again is only flattened in so far as its text is sorted as a whole.
    ///
    /// ```
    /// use spaces::nas_bench_201::Cell;
    /// let by_skip: Cell =
    ///     "|skip_connect~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|".parse()?;
    /// assert_eq!(by_skip.class(), "#+#+#+(0)@nor_conv_3x3");
    /// let from_input: Cell =
    ///     "|skip_connect~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|skip_connect~2|".parse()?;
    /// assert_eq!(by_skip.class(), from_input.class());
    /// # Ok::<(), nas_core::ParseArchError>(())
    /// ```
    pub fn class(self) -> String {
        let mut nodes = [const { String::new() }; 4];
        nodes[0].push('0');
        for target in 1..nodes.len() {
            let into = EDGES.iter().zip(self.operations()).filter(|((to, _), _)| *to == target);
            let mut terms: Vec<String> = into
                .map(|((_, source), op)| match (nodes[*source].as_str(), op) {
                    ("#", _) | (_, Operation::None) => "#".into(),
                    (expression, Operation::SkipConnect) => expression.into(),
                    (expression, op) => format!("({expression})@{op}"),
                })
                .collect();
            terms.sort_unstable();
            nodes[target] = terms.join("+");
        }
        let [.., last] = nodes;
        last
    }

    /// The MD5 of [`class`](Cell::class): 6,466 different ones.
    pub fn class_hash(self) -> ArchHash {
        ArchHash::of(self.class().as_bytes())
    }
}
