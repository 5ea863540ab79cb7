use crate::{ImageError, Images};
use nas_core::Seed;
use rand::seq::SliceRandom;

impl Images {
    /// `images` of them, as equally from every class as there are images, in the order in which they stand.
    ///
    /// # Errors
    /// None, or more than there are.
    pub fn take(&self, images: usize, seed: Seed) -> Result<Self, ImageError> {
        self.select(&self.balanced(images, seed)?)
    }

    /// [`Images::take`], and all the others: for training and validation.
    ///
    /// # Errors
    /// As there; some must be left.
    ///
    /// ```
    /// let (all, _) = images::fashion_mnist()?;
    /// let (training, validation) = all.split(1_600, nas_core::Seed(0))?;
    /// assert_eq!(training.class_counts(), [160; 10]);
    /// assert_eq!(validation.class_counts(), [40; 10]);
    /// # Ok::<(), images::ImageError>(())
    /// ```
    pub fn split(&self, images: usize, seed: Seed) -> Result<(Self, Self), ImageError> {
        let taken = self.balanced(images, seed)?;
        if taken.len() == self.len() {
            return Err(ImageError::NoneLeft { asked: images, there: self.len() });
        }
        let mut left = vec![true; self.len()];
        taken.iter().for_each(|&row| left[row] = false);
        let rest: Vec<usize> = (0..self.len()).filter(|&row| left[row]).collect();
        Ok((self.select(&taken)?, self.select(&rest)?))
    }

    /// Every class in an order of the seed; the classes, in an order of the seed, give one in turns.
    fn balanced(&self, images: usize, seed: Seed) -> Result<Vec<usize>, ImageError> {
        if images == 0 || images > self.len() {
            return Err(ImageError::TooFew { asked: images, there: self.len() });
        }
        let mut rng = seed.stream("images: a balanced part");
        let mut classes: Vec<Vec<usize>> = vec![Vec::new(); self.classes()];
        for (row, &label) in self.labels().iter().enumerate() {
            classes[usize::from(label)].push(row);
        }
        classes.shuffle(&mut rng);
        classes.iter_mut().for_each(|rows| rows.shuffle(&mut rng));
        let turns = classes.iter().map(Vec::len).max().unwrap_or(0);
        let in_turns = (0..turns).flat_map(|turn| classes.iter().filter_map(move |rows| rows.get(turn)));
        let mut rows: Vec<usize> = in_turns.take(images).copied().collect();
        rows.sort_unstable();
        Ok(rows)
    }
}
