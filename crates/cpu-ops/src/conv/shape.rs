use candle_core::{Result, bail};

/// Stride, padding, dilation as (rows, columns), and groups of a convolution; the default is 1, 0, 1 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Conv2d {
    /// Steps between outputs.
    pub stride: (usize, usize),
    /// Zeros on each side.
    pub padding: (usize, usize),
    /// Steps between taps.
    pub dilation: (usize, usize),
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl Default for Conv2d {
    fn default() -> Self {
        Self { stride: (1, 1), padding: (0, 0), dilation: (1, 1), groups: 1 }
    }
}

impl Conv2d {
    /// The same stride and padding both ways, no dilation, one group.
    ///
    /// ```
    /// assert_eq!(cpu_ops::Conv2d::new(2, 1).stride, (2, 2));
    /// ```
    pub fn new(stride: usize, padding: usize) -> Self {
        Self { stride: (stride, stride), padding: (padding, padding), ..Self::default() }
    }
}

/// One axis of a window that slides over an image: of a convolution or of a pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Axis {
    /// Length of the image.
    pub(crate) input: usize,
    /// Length of the result.
    pub(crate) output: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
    pub(crate) dilation: usize,
}

impl Axis {
    /// # Errors
    /// A zero, a kernel beyond the padded image, a length beyond `usize`.
    pub(crate) fn new(
        what: &str,
        input: usize,
        kernel: usize,
        [stride, padding, dilation]: [usize; 3],
    ) -> Result<Self> {
        if input == 0 || kernel == 0 || stride == 0 || dilation == 0 {
            bail!(
                "{what}: image {input}, kernel {kernel}, stride {stride} and dilation {dilation} must be above 0"
            );
        }
        let padded = padding.checked_mul(2).and_then(|p| p.checked_add(input));
        let span = (kernel - 1).checked_mul(dilation).and_then(|s| s.checked_add(1));
        let (Some(padded), Some(span)) = (padded.filter(|&p| p <= isize::MAX as usize), span) else {
            bail!(
                "{what}: image {input}, kernel {kernel}, padding {padding}, dilation {dilation} are too large"
            );
        };
        if span > padded {
            bail!(
                "{what}: kernel {kernel} with dilation {dilation} spans {span}, the image {input} with padding {padding} only {padded}"
            );
        }
        Ok(Self { input, output: (padded - span) / stride + 1, kernel, stride, padding, dilation })
    }

    /// Where in the image tap `k` of output `o` falls, or nowhere.
    pub(crate) fn source(&self, o: usize, k: usize) -> Option<usize> {
        (o * self.stride + k * self.dilation).checked_sub(self.padding).filter(|&i| i < self.input)
    }

    /// The places in the image that output `o` reads, where no tap is left out (dilation 1).
    pub(crate) fn window(&self, o: usize) -> std::ops::Range<usize> {
        let start = o * self.stride;
        let end = (start + self.kernel).saturating_sub(self.padding).min(self.input);
        start.saturating_sub(self.padding).min(end)..end
    }

    /// The outputs whose [`window`](Self::window) has place `i`.
    pub(crate) fn readers(&self, i: usize) -> std::ops::Range<usize> {
        let reach = i + self.padding;
        let start = (reach + 1).saturating_sub(self.kernel).div_ceil(self.stride);
        let end = (reach / self.stride + 1).min(self.output);
        start.min(end)..end
    }

    /// The outputs that tap `k` reads inside the image for: a range.
    pub(crate) fn outputs(&self, k: usize) -> std::ops::Range<usize> {
        let reach = k * self.dilation;
        let start = self.padding.saturating_sub(reach).div_ceil(self.stride);
        let end = (self.padding + self.input).saturating_sub(reach).div_ceil(self.stride).min(self.output);
        start.min(end)..end
    }
}

/// All sizes of a convolution, checked against each other once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ConvShape {
    pub(crate) batch: usize,
    pub(crate) groups: usize,
    /// Channels of one group.
    pub(crate) in_channels: usize,
    /// Channels of one group.
    pub(crate) out_channels: usize,
    pub(crate) rows: Axis,
    pub(crate) columns: Axis,
}

impl ConvShape {
    /// From the dimensions of the input `(N, C, H, W)` and of the weight `(O, C / groups, KH, KW)`.
    pub(crate) fn new(name: &str, input: &[usize], weight: &[usize], settings: &Conv2d) -> Result<Self> {
        let (&[batch, channels, height, width], &[out, per_group, kh, kw]) = (input, weight) else {
            bail!(
                "{name}: input {input:?} and weight {weight:?}; expected (N, C, H, W) and (O, C / groups, KH, KW)"
            );
        };
        let groups = settings.groups;
        if groups == 0 || !channels.is_multiple_of(groups) || !out.is_multiple_of(groups) {
            bail!("{name}: {groups} groups do not divide {channels} channels in and {out} out");
        }
        if channels / groups != per_group || per_group == 0 || out == 0 {
            bail!(
                "{name}: input {input:?} in {groups} groups has {} channels a group, weight {weight:?} takes {per_group}",
                channels / groups
            );
        }
        let Conv2d { stride, padding, dilation, .. } = settings;
        let rows = Axis::new(&format!("{name}, rows"), height, kh, [stride.0, padding.0, dilation.0])?;
        let columns = Axis::new(&format!("{name}, columns"), width, kw, [stride.1, padding.1, dilation.1])?;
        let shape = Self { batch, groups, in_channels: per_group, out_channels: out / groups, rows, columns };
        let sizes = [[batch, out, rows.output, columns.output], [out, per_group, kh, kw]];
        if sizes.iter().any(|size| count(size).is_none()) {
            bail!("{name}: input {input:?} and weight {weight:?} give a result beyond the memory");
        }
        Ok(shape)
    }

    pub(crate) fn input_dims(&self) -> [usize; 4] {
        [self.batch, self.groups * self.in_channels, self.rows.input, self.columns.input]
    }

    pub(crate) fn output_dims(&self) -> [usize; 4] {
        [self.batch, self.groups * self.out_channels, self.rows.output, self.columns.output]
    }

    pub(crate) fn weight_dims(&self) -> [usize; 4] {
        [self.groups * self.out_channels, self.in_channels, self.rows.kernel, self.columns.kernel]
    }

    /// Elements of one group of one image, in and out.
    pub(crate) fn image_lens(&self) -> (usize, usize) {
        (
            self.in_channels * self.rows.input * self.columns.input,
            self.out_channels * self.rows.output * self.columns.output,
        )
    }
}

/// The product, unless it is beyond what a buffer can hold.
pub(crate) fn count(dims: &[usize]) -> Option<usize> {
    dims.iter()
        .try_fold(8_usize, |n, &d| n.checked_mul(d))
        .filter(|&n| n <= isize::MAX as usize)
        .map(|n| n / 8)
}

impl ConvShape {
    /// Whether every output sees the input in its own place only.
    pub(crate) fn is_pointwise(&self) -> bool {
        [&self.rows, &self.columns]
            .iter()
            .all(|axis| axis.kernel == 1 && axis.stride == 1 && axis.padding == 0)
    }

    /// The same work with a plane as one row, where every output sees one input only.
    pub(crate) fn flattened(mut self) -> Self {
        if self.is_pointwise() {
            let length = self.rows.input * self.columns.input;
            self.columns = Axis { input: length, output: length, ..self.columns };
            self.rows = Axis { input: 1, output: 1, ..self.rows };
        }
        self
    }
}
