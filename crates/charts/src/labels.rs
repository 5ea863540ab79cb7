//! Where words stand at points so that they do not stand on each other.

/// A letter of 11 px in a proportional font, about.
const LETTER: i32 = 6;
const HEIGHT: i32 = 12;

/// Beside, above or below its point.
const PLACES: [(i32, i32, bool); 8] = [
    (7, -6, true),
    (-7, -6, false),
    (7, 6, true),
    (-7, 6, false),
    (7, -18, true),
    (-7, -18, false),
    (7, 18, true),
    (-7, 18, false),
];

type Box = [i32; 4];

fn meet(a: &Box, b: &Box) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

/// For every point, in pixels, how far from it the left upper corner of its word is: the first place at which it meets
/// no word before it, no other point and no side of a picture of this `width`. O(points squared).
pub(crate) fn placed(points: &[(i32, i32)], words: &[String], width: i32) -> Vec<(i32, i32)> {
    let dots: Vec<Box> = points.iter().map(|&(x, y)| [x - 4, y - 4, x + 4, y + 4]).collect();
    let mut taken: Vec<Box> = Vec::new();
    let mut places = Vec::new();
    for (at, (&(x, y), word)) in points.iter().zip(words).enumerate() {
        let wide = LETTER * word.chars().count() as i32;
        let corner =
            |&(dx, dy, right): &(i32, i32, bool)| (if right { dx } else { dx - wide }, dy - HEIGHT / 2);
        let area = |&(dx, dy): &(i32, i32)| [x + dx, y + dy, x + dx + wide, y + dy + HEIGHT];
        let free = |place: &(i32, i32)| {
            let own = area(place);
            own[0] >= 0
                && own[2] <= width
                && !taken.iter().any(|other| meet(other, &own))
                && !dots.iter().enumerate().any(|(other, dot)| other != at && meet(dot, &own))
        };
        let place = PLACES.iter().map(corner).find(free).unwrap_or_else(|| corner(&PLACES[0]));
        taken.push(area(&place));
        places.push(place);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::{HEIGHT, LETTER, placed};

    #[test]
    fn words_of_points_that_are_close_do_not_meet() {
        let points = [(100, 100), (104, 102), (300, 50), (395, 200)];
        let words = ["synflow", "snip", "grasp", "jacob_cov"].map(String::from);
        let places = placed(&points, &words, 400);
        let areas: Vec<[i32; 4]> = (0..4)
            .map(|i| {
                let (x, y) = (points[i].0 + places[i].0, points[i].1 + places[i].1);
                [x, y, x + LETTER * words[i].len() as i32, y + HEIGHT]
            })
            .collect();
        assert!(!super::meet(&areas[0], &areas[1]), "{areas:?}");
        assert!(areas[3][2] <= 400, "a word runs over the edge: {areas:?}");
    }
}
