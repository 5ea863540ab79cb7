use cluster::{ranges, read_ranges};
use proptest::prelude::*;
use std::collections::BTreeSet;

proptest! {
    #[test]
    fn what_is_written_is_read(numbers in prop::collection::btree_set(0_u64..300, 1..100)) {
        let numbers: BTreeSet<u64> = numbers;
        let text = ranges(&numbers.iter().rev().copied().collect::<Vec<_>>());
        prop_assert!(read_ranges(&text, 300).unwrap().into_iter().eq(numbers));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-0-9, a]{0,30}") {
        if let Ok(numbers) = read_ranges(&text, 1_000) {
            prop_assert!(!numbers.is_empty() && numbers.len() <= 1_000);
            prop_assert_eq!(read_ranges(&ranges(&numbers), 1_000).unwrap(), numbers);
        }
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (text, part) in
        [("1,x", "x"), ("3-1", "3-1"), ("", ""), ("0-99999999999", "0-99999999999"), ("1,,2", "")]
    {
        let error = read_ranges(text, 1_000).unwrap_err();
        assert_eq!(error.part, part, "{text:?}");
        assert!(error.to_string().contains("0-5,8"), "{error}");
    }
}
